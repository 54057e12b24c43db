"""Makes a connection answer in text that can be read, whatever the database's encoding holds, and without limits.

A database with SQL_ASCII has names of any bytes, and one with MULE_INTERNAL or EUC_TW has an encoding that Python does
not know. So the server is asked for UTF-8, or where it cannot convert, for the bytes as they are.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_TEXTS = (18, 19, 25, 705, 1042, 1043)  # the types "char", name, text, unknown, bpchar, varchar by their numbers
# One by one: an older server does not know each. Locks are not waited for, since a migration may hold them for hours.
_LIMITS = (
    b"set idle_session_timeout = 0", b"set transaction_timeout = 0", b"set statement_timeout = 0",
    b"set lock_timeout = '10s'", b"set idle_in_transaction_session_timeout = 0",
)  # fmt: skip
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
