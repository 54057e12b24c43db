"""Holds a database file so that nobody writes to it, as a program: `FILE SECONDS`, and until its input ends.

Its answer, one line of JSON, comes once the file is held. What was in a write-ahead log is in the file then, and the
log is empty. A process of its own for the reasons of program.py; and since POSIX frees a process's locks on a file
when it closes any handle of that file, so that whoever moves the file about must be another process.
"""

import fcntl
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import IO, Any

from holdfast.runner.engines.sqlite.place import MAGIC

WAIT = 0.5  # seconds that one try waits for a lock
_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
# https://www.sqlite.org/src/file/src/os.h: PENDING_BYTE, RESERVED_BYTE and SHARED_SIZE bytes
_LOCK_BYTES, _LOCK_SIZE = 0x40000000, 512


def held(path: str, seconds: float) -> tuple[object, dict[str, Any]]:
    """Return what holds the file, and the answer: since when, and whether all that was committed is in the file.

    Raises sqlite3.Error with SQLITE_BUSY where another process keeps it: by a transaction, or, with a write-ahead log,
    by having it open at all.
    """
    give_up = time.monotonic() + seconds
    while True:
        try:
            return _held(path)
        except sqlite3.OperationalError as error:
            if not _name(error).startswith("SQLITE_BUSY") or time.monotonic() > give_up:
                raise
        time.sleep(WAIT / 10)


def _held(path: str) -> tuple[object, dict[str, Any]]:
    with Path(path).open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:  # of an empty one, SQLite would begin to make a database
            return _held_by_its_bytes(path)
    database = sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True, timeout=WAIT, isolation_level=None)
    try:
        if sys.version_info >= (3, 12):
            database.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)  # where it fails, all stays as it is
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # with a log, no other connection may even be open
        database.execute("BEGIN EXCLUSIVE")
        since = time.monotonic()
        database.execute("COMMIT")  # the lock stays
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.DatabaseError as error:
        database.close()
        if not _name(error).startswith(_DAMAGED):
            raise
        return _held_by_its_bytes(path)
    return database, {"since": since, "whole": True}


def _held_by_its_bytes(path: str) -> tuple[object, dict[str, Any]]:
    """Hold what is damaged, empty, or encrypted by an application's own SQLite: its lock is on the same bytes."""
    file: IO[bytes] = Path(path).open("r+b")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_SIZE, _LOCK_BYTES)
    except OSError as error:
        file.close()
        locked = sqlite3.OperationalError(str(error))
        locked.sqlite_errorname = "SQLITE_BUSY"
        raise locked from error
    return file, {"since": time.monotonic(), "whole": False}


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def main(arguments: list[str]) -> int:
    """Hold the file until the input ends."""
    path, seconds = arguments
    try:
        holder, answer = held(path, float(seconds))
    except (sqlite3.Error, OSError) as error:
        name = _name(error) if isinstance(error, sqlite3.Error) else "SQLITE_CANTOPEN"
        sys.stdout.write(json.dumps({"error": name, "message": str(error)}) + "\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    del holder
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
