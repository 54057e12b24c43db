"""Runs the program on an SQLite file, and tells its errors with their remedies."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from holdfast.contract.manifest import ManifestMigrations, ManifestTable
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.engines.scripts import Script, failed
from holdfast.runner.engines.sqlite.place import Place
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

LOCK_SECONDS = 60.0  # a checkpoint or a VACUUM may hold the lock so long; a lock for good is told
_LOG = "read the Job's log, then create another backup"
PYTHON = (sys.executable, "-P", "-m")  # -P: no module from where we happen to be
_PROGRAM = (*PYTHON, "holdfast.runner.engines.sqlite.program")


def copy(place: Place, target: Path, stop: Stop) -> None:
    """Copy the live database. Raises DatabaseLocked, FileAccessDenied, VolumeReadOnly, NotADatabase and more."""
    _run(place, stop, "copying", "copy", str(place.file), str(target), str(LOCK_SECONDS))


def check(place: Place, copied: Path, stop: Stop) -> list[str]:
    """Look through the copy; return warnings. Raises DatabaseCorrupt."""
    answer = _run(place, stop, "checking the copy", "check", str(copied))
    if answer["problems"]:
        said = one_line("; ".join(answer["first"]), 600)
        raise corrupt(place, f"integrity_check found {answer['problems']} problems: {said}")
    return list(answer["warnings"])


def contents(place: Place, copied: Path, stop: Stop) -> tuple[Contents | None, list[str]]:
    """Read what the copy holds; return it, None where it cannot be told, with warnings."""
    answer = _run(place, stop, "counting the copy's rows", "contents", str(copied))
    if answer["tables"] is None:
        return None, list(answer["warnings"])
    tables = [ManifestTable(name=name, rows=rows) for name, rows in answer["tables"]]
    migrations = [ManifestMigrations.model_validate(each) for each in answer["migrations"]]
    return Contents(tables, answer["schema"], migrations), list(answer["warnings"])


def run_script(place: Place, script: Script, folder: Path, stop: Stop) -> int:
    """Run SQL in a restored file, as one transaction; return how many statements. Raises AfterRestoreFailed."""
    file = folder / "after-restore.sql"
    file.write_text(script.text)
    answer = _run(place, stop, "running the SQL of afterRestore in", "script", str(place.file), str(file))
    if "refused" in answer:
        raise failed(f"statement {answer['statements'] + 1}", answer["refused"])
    return int(answer["statements"])


def _run(place: Place, stop: Stop, doing: str, *arguments: str) -> dict[str, Any]:
    with Tool([*_PROGRAM, *arguments], stdout=True) as tool, stop.calling(tool.kill):
        said = tool.stdout.read()
        code = tool.wait()
        stop.check()
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        raise _ended(code, doing, tool.said()) from None
    if "error" in answer:
        raise failure(place, answer["error"], one_line(answer["message"], 600), doing)
    return answer


def _ended(code: int, doing: str, said: str) -> HoldfastError:
    if code < 0:
        return HoldfastError(
            Reason.DUMP_KILLED,
            f"SQLite was killed by {signal.Signals(-code).name} while {doing}",
            "for SIGKILL, raise job.resources.limits.memory, since memory is the most frequent cause; for SIGBUS, "
            "look at the node: the volume went away",
        )
    return HoldfastError(
        Reason.DUMP_FAILED, f"SQLite ended with code {code} while {doing}: {said or 'no message'}", _LOG
    )


def failure(place: Place, name: str, message: str, doing: str) -> HoldfastError:
    """Tell an error of SQLite's by its name (https://www.sqlite.org/rescode.html)."""
    kind = "_".join(name.split("_")[:2])
    what = f"SQLite while {doing} {place}: {message} ({name})"
    match kind:
        case "SQLITE_BUSY" | "SQLITE_LOCKED" | "SQLITE_PROTOCOL":
            return HoldfastError(
                Reason.DATABASE_LOCKED,
                f"{place} stayed locked for {LOCK_SECONDS:.0f} s",
                "find the process that holds the lock: if it uses locking_mode=EXCLUSIVE, change that; if it is a "
                "long VACUUM or transaction, wait for its end, then create another backup",
            )
        case "SQLITE_NOTADB":
            return HoldfastError(
                Reason.NOT_A_DATABASE, what, "an encrypted database (SQLCipher, SEE) cannot be backed up this way"
            )
        case "SQLITE_CORRUPT":
            return corrupt(place, what)
        case "SQLITE_CANTOPEN" | "SQLITE_READONLY" | "SQLITE_PERM":
            return place.denied()
        case "SQLITE_FULL":
            return HoldfastError(
                Reason.DISK_FULL, what, "free space on the node's disk, or raise job.scratch.sizeLimit"
            )
        case "SQLITE_IOERR":
            return HoldfastError(Reason.DUMP_FAILED, what, "look at the volume's driver and at the node: a disk failed")
        case "SQLITE_NOMEM":
            return HoldfastError(Reason.DUMP_FAILED, what, "raise job.resources.limits.memory")
    return HoldfastError(Reason.DUMP_FAILED, what, _LOG)


def corrupt(place: Place, what: str) -> HoldfastError:
    """Say that the database itself is damaged."""
    return HoldfastError(
        Reason.DATABASE_CORRUPT,
        f"{place} is damaged: {what}",
        "restore the last good backup, or save what can be read with the sqlite3 shell's command .recover; nothing "
        "was published",
    )
