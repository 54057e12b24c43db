"""Runs SQL in a restored MySQL or MariaDB database, as one transaction as far as these have such: DDL commits.

The server takes many statements at once and tells them apart itself; the driver knows no command of a client's.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from holdfast.runner.engines.mysql import driver
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.tokens import NOTHING, tokens
from holdfast.runner.engines.scripts import Script, failed
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import SSCursor

_OTHER = (
    "name tables without their database, and leave out USE, since the restored database has another name while the SQL "
    "runs; if a table of that name is meant, give it an alias"
)
_NAMED = 5
_DATABASES = """
select schema_name from information_schema.schemata
where schema_name not in (database(), 'information_schema', 'performance_schema') limit 10000
"""


def run(target: Target, password: str, script: Script, live: str, stop: Stop, warnings: list[str]) -> int:
    """Run it, return how many results the server gave. Raises AfterRestoreFailed.

    `live` is the database whose name is not that of the one the SQL is for: it is not to be touched by it. `warnings`
    gets the names of others that it may have touched.
    """
    import pymysql  # late: see driver.py

    if live != target.database:
        require_nameless(script, live)
    done = 0
    with driver.connect(target, password, stop, target.database) as connection:
        number = int(connection.thread_id())  # type: ignore[no-untyped-call]
        with stop.calling(lambda: driver.end(target, password, number)):
            try:
                connection.query(target.flavour.lifted)
                there = _databases(connection)
                connection.autocommit(False)
                with connection.cursor() as cursor:
                    cursor.execute(script.text)
                    _drain(cursor)
                    done = 1
                    while cursor.nextset():
                        _drain(cursor)
                        done += 1
                _require_same(connection, target.database)
                connection.commit()
                if others := named(script, there):
                    warnings.append(_outside(script, others))
            except pymysql.err.Error as error:
                stop.check()
                raise failed(f"statement {done + 1}", _said(error)) from error
            stop.check()
    return done


def require_nameless(script: Script, live: str) -> None:
    """Refuse SQL that names the target itself, which it would change in the place of the restored one.

    It is no parser: in a text such as 'me@shop.example' the name means something else, and a table's own name before a
    column, where it is the database's too, is refused with the rest.
    """
    name = re.escape(live)
    found = re.search(rf"(?<![\w$`.'\"@/-]){name}\.[\w`$]|`{name}`\s*\.", script.text, re.IGNORECASE)
    if found:
        line = script.text.count("\n", 0, found.start()) + 1
        raise failed(f"no statement was run, line {line}", f"the SQL names the database {live!r} itself", _OTHER)


def named(script: Script, databases: Iterable[str]) -> list[str]:
    """Return those of the server's databases that the SQL names, before a dot or after USE.

    What it builds itself (PREPARE), or what a routine names that it calls, nobody sees here; and an alias that is
    called as a database is one of these.
    """
    # A name between double quotes is one under ANSI_QUOTES, which the SQL may set; a text is never before a dot.
    found = [text for _, text in tokens(script.text.encode(errors="replace"), b"ANSI_QUOTES")]
    words = [text for text in found if not text.isspace() and not text.startswith(NOTHING)]
    said = {word for word, dot in pairwise(words) if dot == b"."}
    said |= {word for use, word in pairwise(words) if use.upper() == b"USE"}
    names = {word.strip(b"`").replace(b"``", b"`").decode(errors="replace").lower() for word in said}
    return [each for each in databases if each.lower() in names]


def _databases(connection: "Connection[SSCursor]") -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_DATABASES)
        return [str(row[0]) for row in cursor.fetchall()]


def _outside(script: Script, others: list[str]) -> str:
    names = few([one_line(each, 64) for each in others], _NAMED)
    return (
        f"{script.name} names other databases, which it may have changed, and nothing puts these back: {names}; grant "
        "the restore's user no more than SELECT there"
    )


def _require_same(connection: "Connection[SSCursor]", database: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select database()")
        (there,) = cast("tuple[str | None]", cursor.fetchone())
        cursor.fetchone()
    if there != database:
        raise failed("after its last statement", "the SQL has chosen another database with USE", _OTHER)


def _drain(cursor: "SSCursor") -> None:
    """Take the rows of one result, and keep none."""
    if cursor.description:
        while cursor.fetchone() is not None:
            pass


def _said(error: Exception) -> str:
    return " ".join(str(each) for each in error.args)
