"""Reads the bookkeeping of migration tools from a PostgreSQL database, as the backup's own user."""

from typing import TYPE_CHECKING, Any

from holdfast.runner.engines import migrations
from holdfast.runner.engines.migrations import Histories, Question
from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from psycopg import Connection

_TABLES = """
select n.nspname, c.relname, pg_catalog.array_agg(a.attname::text)
from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and pg_catalog.lower(c.relname) = any(%s)
group by 1, 2
"""
# As pg_dump does: what a policy would filter is an error. A migration that holds its table locked is not waited for.
_SETTINGS = b"set row_security = off; set statement_timeout = '10s'"


def read(connection: "Connection[tuple[Any, ...]]") -> Histories:
    """See migrations.read."""
    import psycopg  # late: see server.connect

    try:
        connection.execute(_SETTINGS)
        rows = connection.execute(_TABLES.encode(), [migrations.tables()]).fetchall()
    except (psycopg.Error, UnicodeError) as error:
        return [], [f"the tables of migration tools could not be looked up: {one_line(str(error), 300)}"]
    tables = {(str(schema), str(name)): columns for schema, name, columns in rows}
    return migrations.read(tables, lambda question: _ask(connection, question), (psycopg.Error, ValueError))


def _ask(connection: "Connection[tuple[Any, ...]]", question: Question) -> list[tuple[Any, ...]]:
    from psycopg.sql import SQL, Identifier

    query = SQL("select {} from {} order by {} limit {}").format(
        SQL(", ").join(Identifier(column) for column in question.columns),
        Identifier(question.schema, question.table),
        Identifier(question.order),
        migrations.MAX_ROWS + 1,
    )
    return connection.execute(query).fetchall()
