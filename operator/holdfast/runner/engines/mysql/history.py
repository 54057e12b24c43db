"""Reads the bookkeeping of migration tools from a MySQL or MariaDB database, as the backup's own user."""

from collections.abc import Sequence

from holdfast.runner.engines import migrations
from holdfast.runner.engines.migrations import Histories, Question, Row
from holdfast.runner.engines.mysql import server
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.runner.pod.stop import Stop

_NUMBERS = ("bit", "tinyint", "smallint", "mediumint", "int", "bigint")


def read(target: Target, columns: Sequence[tuple[str, str, str]], stop: Stop) -> Histories:
    """See migrations.read; `columns` are each table's name, column and type."""
    types = {(table, column): kind for table, column, kind in columns}
    tables: dict[tuple[str, str], list[str]] = {}
    for table, column, _ in columns:
        tables.setdefault(("", table), []).append(column)

    def ask(question: Question) -> list[Row]:
        numeric = [types[question.table, column] in _NUMBERS for column in question.columns]
        rows = server.look(target, _query(question, numeric), stop)
        return [[_value(*each) for each in zip(row, numeric, strict=True)] for row in rows]

    return migrations.read(tables, ask, (ValueError,))


def _query(question: Question, numeric: Sequence[bool]) -> str:
    """Ask for text, since the client prints a NULL as it does the word: each value has a mark before it."""
    names = [quoted(column) for column in question.columns]
    values = [f"{name} + 0" if number else name for name, number in zip(names, numeric, strict=True)]  # of a BIT, too
    texts = ", ".join(f"coalesce(concat('=', {value}), '-')" for value in values)
    table, order = quoted(question.table), quoted(question.order)
    return f"select {texts} from {table} order by {order} limit {migrations.MAX_ROWS + 1};"  # noqa: S608 - quoted


def _value(text: str, number: bool) -> object:
    value = text[1:] if text.startswith("=") else None
    return int(value) if number and value is not None else value
