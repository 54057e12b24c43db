"""Runs SQL in a restored PostgreSQL database, as one transaction.

The simple query protocol takes many statements at once and the server itself tells them apart; libpq knows no command
of psql's. A COMMIT within the SQL would end the transaction half-way: the server's number of it tells.
"""

from typing import TYPE_CHECKING, Any

from holdfast.errors import HoldfastError
from holdfast.runner.engines import scripts
from holdfast.runner.engines.postgres import server
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.scripts import Script, failed
from holdfast.runner.pod.stop import Stop

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.pq.abc import PGconn, PGresult

SECONDS = 30 * 86400.0  # it takes as long as the task may
_SYNTAX = b"42601"
_TRANSACTION = b"select pg_catalog.txid_current()"


def run(where: Target, script: Script, limits: dict[str, str], stop: Stop) -> int:
    """Run it, return how many statements there were; `limits` are lifted. Raises AfterRestoreFailed."""
    import psycopg  # late: see server.connect

    with server.connect(where, stop) as connection, server.answering(connection, where, stop, SECONDS):
        for name, value in sorted(limits.items()):
            connection.execute(f"SET {name} = {value}".encode())
        connection.execute(b"BEGIN")
        begun = _transaction(connection)
        try:
            done = _statements(connection.pgconn, script.text)
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.INTRANS or begun != _transaction(
                connection
            ):
                raise failed(
                    f"after statement {done}",
                    "the SQL itself has ended the transaction that it runs in",
                    "leave out COMMIT, ROLLBACK and BEGIN, and create another DatabaseRestore",
                )
            connection.execute(b"COMMIT")
        except psycopg.Error as error:
            raise failed("at the end of its transaction", error.diag.message_primary or str(error)) from error
    return done


def _transaction(connection: "Connection[tuple[Any, ...]]") -> int:
    row = connection.execute(_TRANSACTION).fetchone()
    assert row is not None
    return int(row[0])


def _statements(pgconn: "PGconn", text: str) -> int:
    """Send it, take whatever comes and keep none of it; return how many statements have run."""
    from psycopg.pq import ExecStatus

    pgconn.send_query(text.encode())
    pgconn.set_single_row_mode()  # of a big answer, one row at a time is held
    done = 0
    while (result := pgconn.get_result()) is not None:
        match result.status:
            case ExecStatus.COMMAND_OK | ExecStatus.TUPLES_OK:
                done += 1
            case ExecStatus.SINGLE_TUPLE | ExecStatus.EMPTY_QUERY:
                pass
            case ExecStatus.COPY_IN | ExecStatus.COPY_OUT | ExecStatus.COPY_BOTH:
                raise failed(f"statement {done + 1}", "COPY from or to the client has no client here", _NO_COPY)
            case _:
                raise _refused(result, done, text)
    return done


_NO_COPY = "use INSERT or UPDATE instead of COPY, and create another DatabaseRestore"


def _refused(result: "PGresult", done: int, text: str) -> HoldfastError:
    """Tell the server's words without its DETAIL, which quotes rows."""
    from psycopg.pq import DiagnosticField

    said = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message or b"no message").decode(
        errors="backslashreplace"
    )
    position = result.error_field(DiagnosticField.STATEMENT_POSITION)
    line = f", line {text[: int(position) - 1].count(chr(10)) + 1}" if position else ""
    if done == 0 and position and result.error_field(DiagnosticField.SQLSTATE) == _SYNTAX:
        return scripts.failed(f"no statement was run{line}", said)
    return scripts.failed(f"statement {done + 1}{line}", said)
