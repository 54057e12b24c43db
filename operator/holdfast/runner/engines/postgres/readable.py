"""Makes a connection answer in text that can be read, whatever the database's encoding holds, and without limits.

A database with SQL_ASCII has names of any bytes, and one with MULE_INTERNAL or EUC_TW has an encoding that Python does
not know. So the server is asked for UTF-8, or where it cannot convert, for the bytes as they are.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_TEXTS = (18, 19, 25, 705, 1042, 1043)  # the types "char", name, text, unknown, bpchar, varchar by their numbers
# Only those that the server knows, so that its log has no errors of ours. Locks are not waited for, since a migration
# may hold them for hours.
_LIFT = (
    b"select pg_catalog.set_config(name, case name when 'lock_timeout' then '10s' else '0' end, false) "
    b"from pg_catalog.pg_settings where name in "
    b"('lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')"
)
_LIMITS = (b"set statement_timeout = 0", _LIFT)
_ENCODINGS = (b"set client_encoding = 'UTF8'", b"set client_encoding = 'SQL_ASCII'")


def make_readable(connection: "Connection[tuple[Any, ...]]") -> None:
    """Lift the session's limits, which answering() sets by itself, and read texts as UTF-8, or as near as may be."""
    import psycopg  # late: see server.connect
    from psycopg.adapt import Buffer, Loader

    class Text(Loader):
        def load(self, data: Buffer) -> str:
            return bytes(data).decode(errors="backslashreplace")

    for number in _TEXTS:
        connection.adapters.register_loader(number, Text)
    for limit in _LIMITS:
        connection.pgconn.exec_(limit)
    for encoding in _ENCODINGS:
        if connection.pgconn.exec_(encoding).status == psycopg.pq.ExecStatus.COMMAND_OK:
            return
