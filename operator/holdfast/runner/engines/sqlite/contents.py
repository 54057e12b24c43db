"""Reads what a copy holds: the rows of each table, a hash of the schema, the bookkeeping of migration tools.

Nobody writes to the copy, so all of it is of the dump's own moment. A virtual table has no rows of its own: they are
its module's, in tables that are counted as any other.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from holdfast.runner.engines import migrations
from holdfast.runner.engines.migrations import Question, Row

# What SQLite makes for itself comes and goes (ANALYZE).
_TABLES = r"""
select name from sqlite_schema where type = 'table' and rootpage > 0 and name not like 'sqlite\_%' escape '\'
order by name
"""
_SCHEMA = r"""
select type, name, tbl_name, sql from sqlite_schema where name not like 'sqlite\_%' escape '\' order by type, name
"""


def read(path: str) -> dict[str, Any]:
    """Return tables with their rows, the schema's hash, migrations and warnings, as JSON has them.

    Opened for writing, as a database with a write-ahead log wants it; nothing is written.
    """
    with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True)) as database:
        database.text_factory = lambda text: text.decode(errors="backslashreplace")
        try:
            names = [row[0] for row in database.execute(_TABLES)]
            rows = [_count(database, name) for name in names]
            schema = hashlib.sha256(json.dumps(database.execute(_SCHEMA).fetchall()).encode()).hexdigest()
        except sqlite3.Error as error:  # what only the application's own process has
            return {"tables": None, "warnings": [f"rows were not counted: {error}"]}
        columns = {("", name): _columns(database, name) for name in names if name.lower() in migrations.tables()}
        found, warnings = migrations.read(
            columns, lambda question: _ask(database, question), (sqlite3.Error, ValueError)
        )
    return {
        "tables": list(zip(names, rows, strict=True)),
        "schema": schema,
        "migrations": [each.model_dump() for each in found],
        "warnings": warnings,
    }


def _count(database: sqlite3.Connection, table: str) -> int:
    query = f"select count(*) from {_quoted(table)}"  # noqa: S608 - quoted
    return int(database.execute(query).fetchone()[0])


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"pragma table_info({_quoted(table)})")]


def _ask(database: sqlite3.Connection, question: Question) -> Sequence[Row]:
    columns = ", ".join(map(_quoted, question.columns))
    table, order = _quoted(question.table), _quoted(question.order)
    query = f"select {columns} from {table} order by {order} limit {migrations.MAX_ROWS + 1}"  # noqa: S608 - quoted
    return database.execute(query).fetchall()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
