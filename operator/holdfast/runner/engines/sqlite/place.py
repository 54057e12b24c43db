"""Where an SQLite file is: a path within the claim that is mounted into the Job. What is there, and whose it is.

A claim's content is its application's, not ours: a path that leads out of the claim by a symbolic link is refused, and
nothing but a plain file is opened.
"""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from holdfast.errors import HoldfastError, Reason
from holdfast.sentences import few

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100  # https://www.sqlite.org/fileformat2.html, section 1.3
SIDE_FILES = ("-wal", "-shm", "-journal")
_WRITER = slice(96, 100)  # SQLITE_VERSION_NUMBER of who last wrote the file
_SHOWN = 5  # names of other files, where one is not found


@dataclass(frozen=True)
class Found:
    """A file that begins as SQLite's do."""

    size: int  # bytes, with what its write-ahead log may add
    writer: str  # the version of SQLite that wrote it last


@dataclass(frozen=True)
class Place:
    """A path within a claim."""

    root: Path
    claim: str
    path: str

    def __str__(self) -> str:
        return f"{self.path!r} of claim {self.claim}"

    @property
    def file(self) -> Path:
        """The file, its links followed. Raises DatabaseNotFound where they lead out of the claim."""
        root = self.root.resolve()
        try:
            file = (root / self.path).resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, in Python before 3.13
            raise _not_found(f"{self} cannot be followed: {error}", _REMEDY) from None
        if root not in file.parents:
            raise _not_found(
                f"{self} is a link out of the claim, to {file}",
                "name the file itself in database.volume.path: a link must be relative and stay within the claim",
            )
        return file

    def look(self) -> Found:
        """Read the header. Raises DatabaseNotFound, FileAccessDenied, NotADatabase."""
        file = self.file
        try:
            if not stat.S_ISREG(file.stat().st_mode):
                raise _no_database(f"{self} is not a regular file")
            with file.open("rb") as opened:
                header = opened.read(HEADER_BYTES)
            size = file.stat().st_size + _size(Path(f"{file}-wal"))
        except (FileNotFoundError, NotADirectoryError):
            raise _not_found(f"{self} does not exist{_beside(file)}", _REMEDY) from None
        except PermissionError:
            raise self.denied() from None
        if not header:
            raise _no_database(f"{self} is empty (0 bytes)")
        if header[:16] != MAGIC or len(header) < HEADER_BYTES:
            raise _no_database(f"{self} does not begin like an SQLite database")
        return Found(size, _version(int.from_bytes(header[_WRITER], "big")))

    def changed(self) -> datetime:
        """Return when the file or its write-ahead log was last written."""
        written = [path.stat().st_mtime for path in (self.file, Path(f"{self.file}-wal")) if path.exists()]
        return datetime.fromtimestamp(max(written), UTC)

    def require_absent(self) -> None:
        """Raise TargetNotEmpty unless a restore may put a database here: nothing is there, not even side files.

        A write-ahead log or journal of a former database would be played into the new one.
        """
        file = self.file
        try:
            there = [Path(f"{file}{ending}") for ending in ("", *SIDE_FILES)]
            there = [path for path in there if os.path.lexists(path) and not (path == file and _is_empty(path))]
        except PermissionError:
            raise self.denied() from None
        if there:
            raise HoldfastError(
                Reason.TARGET_NOT_EMPTY,
                f"{self}: {', '.join(path.name for path in there)} already exists",
                "restore to a path that does not exist yet, or move the old database away, together with its -wal, "
                "-shm and -journal files; nothing was changed",
            )

    def denied(self) -> HoldfastError:
        """Say whose the file is, or the folder that keeps us out, and as whom we run."""
        if self.read_only() and os.access(self.file, os.R_OK):
            return HoldfastError(
                Reason.VOLUME_READ_ONLY,
                f"claim {self.claim} is mounted read-only, but {self.path!r} needs a writable mount: SQLite keeps the "
                "index of the write-ahead log in a file beside the database",
                "use a claim with access mode ReadWriteOnce or ReadWriteMany, on a writable volume",
            )
        whose, owner = self._whose()
        remedy = (
            f"set database.volume.runAsUser to {owner} in the policy (and runAsGroup, if only the group has the right)"
        )
        if owner in (0, os.geteuid()):
            remedy = f"let user {os.geteuid()} read and write {whose}, and the folder around it, with chown or chmod"
        return HoldfastError(
            Reason.FILE_ACCESS_DENIED,
            f"the Job runs as user {os.geteuid()}, group {os.getegid()}, which may not read and write {self}: {whose}",
            remedy,
        )

    def read_only(self) -> bool:
        """Tell whether the volume takes no writes at all."""
        return bool(os.statvfs(self.root).f_flag & os.ST_RDONLY)

    def _whose(self) -> tuple[str, int]:
        """Name the owner of the file, or else of the deepest folder on the way that can be seen."""
        for path in (self.file, *self.file.parents):
            try:
                state = path.stat()
            except OSError:
                continue
            within = path.relative_to(self.root.resolve())
            return (
                f"{str(within)!r} belongs to user {state.st_uid}, group {state.st_gid}, mode {state.st_mode & 0o7777:o}"
            ), state.st_uid
        raise AssertionError("the root of a mounted volume can be seen")


_REMEDY = (
    "correct database.volume.claimName and path: the path starts at the root of the claim, and the application may "
    "see another path"
)


def _not_found(message: str, remedy: str) -> HoldfastError:
    return HoldfastError(Reason.DATABASE_NOT_FOUND, message, remedy)


def _no_database(message: str) -> HoldfastError:
    return HoldfastError(
        Reason.NOT_A_DATABASE,
        message,
        "correct database.volume.path; an encrypted database (SQLCipher, SEE) looks the same, and cannot be backed up "
        "this way",
    )


def _beside(file: Path) -> str:
    """Name some of what lies in the folder, since a path is mostly wrong by a little."""
    try:
        names = sorted(path.name for path in file.parent.iterdir())
    except OSError:
        return ""
    return f"; its folder has {few([*map(repr, names)], _SHOWN)}" if names else "; its folder is empty"


def _is_empty(path: Path) -> bool:
    state = path.lstat()
    return stat.S_ISREG(state.st_mode) and state.st_size == 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _version(number: int) -> str:
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}" if number else "an unknown version"
