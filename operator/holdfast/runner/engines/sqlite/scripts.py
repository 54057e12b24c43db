"""Runs SQL in a restored file, as one transaction, within the process of program.py.

SQLite itself says where a statement ends. What leads out of the transaction or of the file is refused by SQLite's
authorizer: COMMIT, SAVEPOINT, ATTACH.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

_REFUSED = {
    sqlite3.SQLITE_TRANSACTION: "the SQL runs in one transaction: leave out BEGIN, COMMIT and ROLLBACK",
    sqlite3.SQLITE_SAVEPOINT: "the SQL runs in one transaction: leave out SAVEPOINT, RELEASE and ROLLBACK TO",
    sqlite3.SQLITE_ATTACH: "the SQL is for the restored database alone: leave out ATTACH and VACUUM",
    sqlite3.SQLITE_DETACH: "the SQL is for the restored database alone: leave out DETACH",
}


def run(path: str, text: str) -> dict[str, Any]:
    """Return how many statements have run, and what the next one was refused for. Raises sqlite3.Error of the file."""
    said: list[str] = []

    def authorize(action: int, *_: object) -> int:
        if action in _REFUSED:
            said.append(_REFUSED[action])
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.set_authorizer(authorize)
        done = 0
        for statement in statements(text):
            try:
                for _ in database.execute(statement):
                    pass
            except (sqlite3.Error, sqlite3.Warning) as error:
                return {"statements": done, "refused": said[-1] if said else str(error)}
            done += 1
        database.set_authorizer(None)
        try:
            database.execute("COMMIT")
        except sqlite3.IntegrityError as error:  # of a constraint that is looked at only here
            return {"statements": done, "refused": f"at the end of the transaction: {error}"}
    return {"statements": done}


def statements(text: str) -> Iterator[str]:
    """Yield the statements, each up to its semicolon, as SQLite finds them; what follows the last one, too."""
    begin = 0
    end = text.find(";")
    while end >= 0:
        if sqlite3.complete_statement(text[begin : end + 1]):
            yield text[begin : end + 1]
            begin = end + 1
        end = text.find(";", end + 1)
    if text[begin:].strip():
        yield text[begin:]
