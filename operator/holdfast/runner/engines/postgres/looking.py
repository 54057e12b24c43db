"""What is in a PostgreSQL database now, as far as the server says it without counting. Nothing is changed."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.runner.engines.postgres import history
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.errors import connection_error
from holdfast.runner.engines.postgres.server import answering, connect
from holdfast.runner.engines.protocol import Look
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from psycopg import Connection

# Rows as the statistics have them, which follow each change; where there are none, as the last ANALYZE had them.
_CONTENT = b"""
select pg_catalog.pg_database_size(pg_catalog.current_database()),
  count(c.oid), coalesce(sum(coalesce(nullif(s.n_live_tup, 0), greatest(c.reltuples, 0)::bigint)), 0)::bigint,
  pg_catalog.now(),
  (select count(*) from pg_catalog.pg_stat_activity
   where datname = pg_catalog.current_database() and pid <> pg_catalog.pg_backend_pid()),
  pg_catalog.current_setting('track_commit_timestamp', true) = 'on'
from (pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_stat_all_tables s on s.relid = c.oid)
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
"""
_LAST = b"select timestamp from pg_catalog.pg_last_committed_xact()"
OF_THE_SERVER = "the last transaction that the server has committed, in any of its databases"


def look(target: Target, stop: Stop) -> tuple[Look, list[str]]:
    """Connect and ask; return what is there, and warnings. Raises the connection's errors (exit 3)."""
    import psycopg  # late: see server.connect

    with connect(target, stop) as connection, answering(connection, target, stop):
        try:
            connection.execute(b"set default_transaction_read_only = on; set statement_timeout = '30s'")
            row = connection.execute(_CONTENT).fetchone()
            assert row is not None
            changed = _last_commit(connection) if row[5] else None
        except psycopg.Error as error:
            raise connection_error(one_line(str(error), 600), target) from error
        migrations, warnings = history.read(connection)
    size, tables, rows, now, clients, _ = row
    seen = Look(
        size_bytes=int(size),
        tables=int(tables),
        rows=int(rows),
        estimated=True,
        clients=int(clients),
        server_time=now,
        newest_change=changed,
        newest_change_of=OF_THE_SERVER if changed else None,
        migrations=migrations,
    )
    return seen, warnings


def _last_commit(connection: "Connection[tuple[Any, ...]]") -> datetime | None:
    row = connection.execute(_LAST).fetchone()
    return row[0] if row else None
