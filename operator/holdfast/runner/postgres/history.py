"""Reads the bookkeeping of migration tools from a PostgreSQL database, as the backup's own user.

A user that may not read such a table may not dump it either, so what fails here fails the dump with better words: it is
told as a warning and the dump goes on.
"""

from typing import TYPE_CHECKING, Any

from holdfast.contract.manifest import ManifestMigrations
from holdfast.runner import migrations
from holdfast.runner.migrations import Found, Question
from holdfast.runner.text import one_line

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
_SETTINGS = "set client_encoding = 'UTF8'; set row_security = off; set statement_timeout = '10s'"


def read(connection: "Connection[tuple[Any, ...]]") -> tuple[list[ManifestMigrations], list[str]]:
    """Return the histories, the longest first, and warnings."""
    import psycopg  # late: see server.connect

    try:
        connection.execute(_SETTINGS)
        rows = connection.execute(_TABLES, [migrations.tables()]).fetchall()
    except (psycopg.Error, UnicodeError) as error:
        return [], [f"it is not known whether there are migrations: {one_line(str(error), 300)}"]
    found = migrations.find({(str(schema), str(name)): columns for schema, name, columns in rows})
    histories, warnings = [], []
    for each in found[: migrations.MAX_HISTORIES]:
        try:
            histories.append(_history(connection, each))
        except (psycopg.Error, ValueError) as error:
            warnings.append(f"the migrations in {each.name} are not known: {one_line(str(error), 300)}")
    if len(found) > migrations.MAX_HISTORIES:
        warnings.append(f"{len(found)} tables of migration tools were found, {migrations.MAX_HISTORIES} were read")
    return migrations.longest_first(histories), [*warnings, *migrations.warnings(histories)]


def _history(connection: "Connection[tuple[Any, ...]]", found: Found) -> ManifestMigrations:
    rows = _ask(connection, found.history)
    if len(rows) > migrations.MAX_ROWS:
        raise ValueError(f"it has more than {migrations.MAX_ROWS} rows")
    return migrations.history(found, rows, _ask(connection, found.lock) if found.lock else [])


def _ask(connection: "Connection[tuple[Any, ...]]", question: Question) -> list[tuple[Any, ...]]:
    from psycopg.sql import SQL, Identifier

    query = SQL("select {} from {} order by {} limit {}").format(
        SQL(", ").join(Identifier(column) for column in question.columns),
        Identifier(question.schema, question.table),
        Identifier(question.order),
        migrations.MAX_ROWS + 1,
    )
    return connection.execute(query).fetchall()
