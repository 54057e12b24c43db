"""What is in a MySQL or MariaDB database now, as far as the server says it without counting. Nothing is changed."""

from datetime import UTC, datetime

from holdfast.runner.engines.mysql import history, server
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.protocol import Look
from holdfast.runner.pod.stop import Stop

# Times as seconds, which no time zone of the session changes. A sequence of MariaDB's is a table of one row, and no
# table of anybody's. Who lacks PROCESS sees the sessions of his own user.
_CONTENT = """
set session transaction read only;
select 'content', coalesce(sum(data_length + index_length), 0), count(*), coalesce(sum(table_rows), 0),
  unix_timestamp(), coalesce(unix_timestamp(max(update_time)), 0)
from information_schema.tables where table_schema = database() and table_type in ('BASE TABLE', 'SYSTEM VERSIONED');
select 'clients', count(*) from information_schema.processlist where db = database() and id <> connection_id();
"""
SINCE_START = "the last change of a table that the server remembers, since it was started"


def look(target: Target, stop: Stop) -> tuple[Look, list[str]]:
    """Connect and ask; return what is there, and warnings. Raises the connection's errors (exit 3)."""
    rows = server.ask(target, target.flavour.session + _CONTENT + server.HISTORIES, stop)
    _, size, tables, counted, now, changed = next(row for row in rows if row[0] == "content")
    columns = [(row[1], row[2], row[3]) for row in rows if row[0] == "history"]
    migrations, warnings = history.read(target, columns, stop)
    newest = _moment(changed)
    seen = Look(
        size_bytes=int(size),
        tables=int(tables),
        rows=int(counted),
        estimated=True,
        clients=next(int(row[1]) for row in rows if row[0] == "clients"),
        server_time=_moment(now),
        newest_change=newest,
        newest_change_of=SINCE_START if newest else None,
        migrations=migrations,
    )
    return seen, warnings


def _moment(seconds: str) -> datetime | None:
    """Read seconds since 1970; None where there is no such time."""
    whole = int(float(seconds))
    return datetime.fromtimestamp(whole, UTC) if whole else None
