"""Has one database file take another's name while nobody writes to either; the other stays under a name of its own.

Three names in one folder: the target's, what comes in, what goes out. Killed between any two lines, `done` tells from
what lies there how far it came. SQLite finds a write-ahead log or journal by the database's name, so none may stay
that is another file's: under the lock the log is merged, and these files go.
"""

import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.sqlite.place import SIDE_FILES, Place
from holdfast.runner.engines.sqlite.restore import sync
from holdfast.runner.engines.sqlite.work import LOCK_SECONDS, PYTHON
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

_PROGRAM = (*PYTHON, "holdfast.runner.engines.sqlite.hold")


@dataclass(frozen=True)
class Held:
    """A file that nobody else writes to."""

    since: float  # of the monotonic clock, which all processes share
    whole: bool  # all that was committed is in the file itself


@dataclass(frozen=True)
class Exchange:
    """Who takes whose name."""

    place: Place
    incoming: Path
    outgoing: Path

    def done(self) -> bool:
        """Tell whether an earlier Pod came to the end. What one only began is undone. Raises TargetNotReady."""
        target, incoming, outgoing = self.place.file, self.incoming, self.outgoing
        if not os.path.lexists(outgoing):
            return False
        if _same(outgoing, target):
            outgoing.unlink()
        elif not os.path.lexists(target):  # nothing was there, or it is a file system without hard links
            _give_back(outgoing, target)
        elif not os.path.lexists(incoming):
            return True
        elif _same(incoming, target):
            incoming.unlink()
            return True
        else:
            raise _two_at_once(self.place, incoming, outgoing)
        _move_sides(outgoing, target)
        return False

    def require_owner(self) -> None:
        """See that what comes in can belong to whom the target does: its application must be able to open it."""
        try:
            owner = self.place.file.stat()
        except FileNotFoundError:
            return
        groups = {os.getegid(), *os.getgroups()}
        if os.geteuid() and (owner.st_uid != os.geteuid() or owner.st_gid not in groups):
            raise self.place.denied()

    def make(self, stop: Stop) -> float:
        """Exchange them; return for how many seconds nobody could write. Raises HoldfastError: all is as it was."""
        target = self.place.file
        try:
            with holding(self.place, self.incoming, stop) as comes:
                if not os.path.lexists(target):
                    self._place(comes, target)
                    return 0.0
                with holding(self.place, target, stop) as goes:
                    _like(self.incoming, target)
                    self._exchange(comes, goes, target)
                return time.monotonic() - goes.since
        except OSError as error:
            self.done()
            if self.place.read_only() or isinstance(error, PermissionError):
                raise self.place.denied() from error
            raise

    def _place(self, comes: Held, target: Path) -> None:
        """Take a name that nobody has. What goes out is an empty file, by which `done` knows."""
        self.outgoing.touch(exist_ok=False)
        _move_sides(target, self.outgoing)
        _second_name(self.incoming, target)
        self._follow(comes, target)
        self.incoming.unlink(missing_ok=True)
        sync(target.parent)

    def _exchange(self, comes: Held, goes: Held, target: Path) -> None:
        if goes.whole:
            _remove_sides(target)
        else:
            _move_sides(target, self.outgoing)
        _second_name(target, self.outgoing)
        self.incoming.rename(target)
        self._follow(comes, target)
        sync(target.parent)

    def _follow(self, comes: Held, target: Path) -> None:
        if comes.whole:
            _remove_sides(self.incoming)
        else:
            _move_sides(self.incoming, target)


@contextmanager
def holding(place: Place, file: Path, stop: Stop) -> Iterator[Held]:
    """Keep everybody from writing to a file of this place. Raises DatabaseLocked, and what a file may be refused for.

    Its process is killed at the end: it has nothing to finish, and closed in order it would look after its log.
    """
    with Tool([*_PROGRAM, str(file), str(LOCK_SECONDS)], stdin=True, stdout=True) as tool:
        with stop.calling(tool.kill):
            said = tool.stdout.readline()
        stop.check()
        try:
            answer = json.loads(said)
        except ValueError:
            tool.kill()
            raise _failed(place, f"it ended with code {tool.wait()}: {tool.said() or 'no message'}") from None
        if "error" in answer:
            raise _refused(place, str(answer["error"]), one_line(str(answer["message"]), 300))
        yield Held(answer["since"], answer["whole"])


def _refused(place: Place, name: str, message: str) -> HoldfastError:
    match "_".join(name.split("_")[:2]):
        case "SQLITE_BUSY" | "SQLITE_LOCKED" | "SQLITE_PROTOCOL":
            return HoldfastError(
                Reason.DATABASE_LOCKED,
                f"{place} stayed locked for {LOCK_SECONDS:.0f} s: another process is in a transaction, or has a "
                "database with a write-ahead log open",
                "stop the application (kubectl scale --replicas=0), restore again, then start the application; "
                "nothing was changed",
            )
        case "SQLITE_CANTOPEN" | "SQLITE_READONLY" | "SQLITE_PERM":
            return place.denied()
    return _failed(place, f"{message} ({name})")


def _failed(place: Place, what: str) -> HoldfastError:
    return HoldfastError(
        Reason.RESTORE_FAILED,
        f"SQLite could not keep others from writing to {place}: {what}",
        "look at the volume's driver and at the node, then restore again; nothing was changed",
    )


def _two_at_once(place: Place, incoming: Path, outgoing: Path) -> HoldfastError:
    return HoldfastError(
        Reason.TARGET_NOT_READY,
        f"somebody created {place} again while an earlier attempt of this restore had stopped half-way: the old "
        f"database is in {outgoing.name}, the restored one in {incoming.name}",
        "find out which of the three files is the right one, move the others out of the folder, then restore again",
    )


def _like(file: Path, other: Path) -> None:
    """Give a file the other's mode and, where we may, its owner: the application is to open it as before."""
    wanted, has = other.stat(), file.stat()
    if (wanted.st_uid, wanted.st_gid) != (has.st_uid, has.st_gid):
        os.chown(file, wanted.st_uid, wanted.st_gid)
    file.chmod(stat.S_IMODE(wanted.st_mode))


def _second_name(file: Path, name: Path) -> None:
    """Give a file a second name, which must be free; where the file system has no hard links, another one."""
    try:
        os.link(file, name)
    except FileExistsError:
        raise
    except OSError:
        file.rename(name)


def _give_back(outgoing: Path, target: Path) -> None:
    if outgoing.stat().st_size:
        outgoing.rename(target)
    else:
        outgoing.unlink()


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _remove_sides(file: Path) -> None:
    for ending in SIDE_FILES:
        Path(f"{file}{ending}").unlink(missing_ok=True)


def _move_sides(file: Path, to: Path) -> None:
    for ending in SIDE_FILES:
        if os.path.lexists(f"{file}{ending}"):
            Path(f"{file}{ending}").rename(f"{to}{ending}")
