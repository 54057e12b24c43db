"""The work on SQLite's files, as a program of commands: `copy FROM TO SECONDS`, `check FILE`, `contents FILE` and more.

A process of its own, since one step of the online backup cannot be interrupted: a stop kills it, and with it go its
locks on the live database. It prints its answer as one line of JSON, and exits with 0 or 1.
"""

import json
import re
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

WAIT = 0.5  # seconds that one try waits for a lock
PROBLEMS = 3  # of those found, how many are told
KEYS = 1000  # rows with a broken foreign key that are counted
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# Rows that break a rule of their own schema are the application's business; the file holds them as they are.
_RULE = re.compile(r"CHECK constraint failed in |(NULL|NUMERIC|TEXT|non-\w+) value in ")
# What only the application's own process has.
_FOREIGN = re.compile(r"no such collation sequence: (.+)|unknown function|no such (?:function|module)")
_NOT_COMPARED = (
    "every page was checked, but indexes were not compared with their tables, since that needs functions of the "
    "application: "
)

_VIRTUAL = "select name from sqlite_schema where type = 'table' and rootpage = 0 order by name"
_NOT_OPENED = (
    "was copied with the tables that hold its data, but its index was not checked, since that needs a module or "
    "tokenizer of the application: "
)

Answer = dict[str, Any]


def copy(source: str, target: str, lock_seconds: float) -> Answer:
    """Copy a database as it is at one moment, whoever writes to it meanwhile; wait so long for a lock, seconds.

    In one step: in several, it begins anew after each write of another process, and never ends under a steady writer.
    """
    give_up = time.monotonic() + lock_seconds

    def waited(status: int, _remaining: int, _pages: int) -> None:
        if status in _BUSY and time.monotonic() > give_up:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorname = "SQLITE_BUSY"
            raise error

    # mode=rw: a missing file is not made. It is opened for writing as a write-ahead log asks for it.
    address = f"{Path(source).as_uri()}?mode=rw"
    logged = Path(f"{source}-wal").exists()
    with closing(sqlite3.connect(address, uri=True, timeout=WAIT)) as live, closing(sqlite3.connect(target)) as copied:
        if logged and sys.version_info >= (3, 12):
            # Who closes last merges the log into the database and deletes it: one that was there is not ours to merge.
            live.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)
        copied.execute("PRAGMA journal_mode = OFF")  # half a copy is thrown away anyway
        copied.execute("PRAGMA synchronous = OFF")
        live.backup(copied, pages=-1, progress=waited, sleep=WAIT)
    return {}


def check(path: str) -> Answer:
    """Look through a copy that nobody writes to: every page, every index; foreign keys as warnings.

    It is opened for writing, since SQLite passes over CHECK constraints where it must not write; nothing is written.
    """
    with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True)) as database:
        database.text_factory = lambda text: text.decode(errors="backslashreplace")
        found, warnings = _integrity_of_what_opens(database)
        broken = [row for row in found if not _RULE.match(row)]
        warnings += [f"integrity_check: {row}" for row in found if row not in broken][:PROBLEMS]
        return {"problems": len(broken), "first": broken[:PROBLEMS], "warnings": [*warnings, *_foreign_keys(database)]}


def _integrity_of_what_opens(database: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """Return what is wrong, and warnings; virtual tables that only their application can open are left out.

    Since release 3.44 SQLite looks into virtual tables as well, and fails as a whole where one cannot be opened.
    """
    missing = _failing(database, "select 1 from {} limit 0")
    try:
        with _left_out(database, missing):
            found, warnings = _integrity(database)
    except sqlite3.OperationalError:
        deeper = _failing(database, "PRAGMA quick_check({})")  # a module may miss something only when it reads
        if not deeper.keys() - missing.keys():
            raise
        missing = deeper | missing
        with _left_out(database, missing):
            found, warnings = _integrity(database)
    said = [f"virtual table {name} {_NOT_OPENED}{why}" for name, why in missing.items()]
    return found, [*warnings, *said[:PROBLEMS]]


def _failing(database: sqlite3.Connection, statement: str) -> dict[str, str]:
    """Return the virtual tables of which a statement fails, as it does without their module or tokenizer, and why.

    Each module says it in its own words, or in none at all: so the error's code is looked at, not its message.
    """
    failing = {}
    for (name,) in database.execute(_VIRTUAL).fetchall():
        try:
            database.execute(statement.format('"' + name.replace('"', '""') + '"')).fetchall()
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                failing[name] = str(error)
        except sqlite3.Error:  # damage: the check itself tells it
            continue
    return failing


@contextmanager
def _left_out(database: sqlite3.Connection, tables: Iterable[str]) -> Iterator[None]:
    """Have a schema without these virtual tables, in a transaction that is rolled back: the file is not changed."""
    if not tables:
        yield
        return
    database.isolation_level = None
    database.execute("PRAGMA cache_spill = OFF")  # nothing of the transaction reaches the file
    database.execute("BEGIN")
    try:
        database.execute("PRAGMA writable_schema = ON")
        database.executemany("delete from sqlite_schema where rootpage = 0 and name = ?", [(name,) for name in tables])
        database.execute("PRAGMA writable_schema = RESET")  # reads the schema anew
        yield
    finally:
        if database.in_transaction:  # some errors have ended it already
            database.execute("ROLLBACK")


def _integrity(database: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """Return what is wrong, and a warning where not all of it could be looked at."""
    try:
        return _rows(database, "integrity_check"), []
    except sqlite3.OperationalError as error:
        if not _FOREIGN.search(str(error)):
            raise
        missing = str(error)
    while True:  # with stand-ins for its collations; indexes are not compared then
        try:
            return _rows(database, "quick_check"), [_NOT_COMPARED + missing]
        except sqlite3.OperationalError as error:
            found = _FOREIGN.search(str(error))
            if not found or not found[1]:
                raise
            database.create_collation(found[1], lambda one, other: (one > other) - (one < other))


def _rows(database: sqlite3.Connection, pragma: str) -> list[str]:
    said = [str(row[0]) for row in database.execute(f"PRAGMA {pragma}")]
    return [] if said == ["ok"] else said


def _foreign_keys(database: sqlite3.Connection) -> list[str]:
    try:
        rows = database.execute("PRAGMA foreign_key_check").fetchmany(KEYS)
    except sqlite3.OperationalError as error:  # a foreign key that refers to no key at all
        return [f"foreign_key_check: {error}"]
    if not rows:
        return []
    tables = sorted({str(row[0]) for row in rows})
    count = f"{KEYS} or more" if len(rows) == KEYS else str(len(rows))
    return [f"foreign_key_check: {count} rows refer to none, in {', '.join(tables[:PROBLEMS])}"]


def main(arguments: list[str]) -> int:
    """Do what is asked, print the answer."""
    try:
        match arguments:
            case ["copy", source, target, lock_seconds]:
                answer = copy(source, target, float(lock_seconds))
            case ["check", path]:
                answer = check(path)
            case ["contents", path]:
                from holdfast.runner.engines.sqlite import contents  # late: a copy must not wait for its imports

                answer = contents.read(path)
            case ["script", path, script]:
                from holdfast.runner.engines.sqlite import scripts

                answer = scripts.run(path, Path(script).read_text())
            case _:
                raise ValueError(arguments)
    except sqlite3.Error as error:
        answer = {"error": getattr(error, "sqlite_errorname", type(error).__name__), "message": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
