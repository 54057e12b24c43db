"""Keeps a tool from what only the runner needs: the mounted Secrets, the store's tokens, the runner's own process.

A tool reads what a server or a dump says, and either may be hostile. It runs as the runner's own user, since a
`restricted` Pod has no other; so the kernel confines it, by Landlock (https://docs.kernel.org/userspace-api/landlock.html,
Linux 5.13 and newer): whatever holds a secret is out of its sight, it starts no other program, and it can neither
trace nor signal the runner. A rule allows what lies below a path and can take nothing away again: so what lies beside
the hidden paths is allowed, one by one. Landlock binds the thread that asks for it and what that thread starts.
"""

import ctypes
import os
import stat
import struct
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from holdfast.contract import paths

T = TypeVar("T")

HIDDEN = (
    paths.DATABASE_SECRET,  # its password is in the file that the tool is given
    paths.STORAGE_SECRET,
    paths.STORAGE_CA,
    paths.AGE_IDENTITY,
    paths.SPOOL,
    paths.TERMINATION_LOG,
    "/run/secrets",  # of a ServiceAccount and of AWS's identity for it
    "/proc",
)
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # numbers of the system calls, the same on every machine since 5.13
_VERSION_WANTED = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE, _READ = 1 << 0, 1 << 1, 1 << 2
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # each from that version on
_SCOPED_SINCE, _SCOPES = 6, 0b11  # sockets without a file, and signals, stay within
_NO_NEW_PRIVILEGES, _DUMPABLE = 38, 4  # of prctl
_INTERPRETER = 3  # the part of a program that names its loader

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Return which version of Landlock the kernel has; 0 where it has none, or the container may not use it."""
    return max(0, int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_WANTED))))


def close_to_others() -> None:
    """Let no process of this user read this one: its environment, its memory, what it has open. No core is dumped."""
    _libc.prctl(_DUMPABLE, 0, 0, 0, 0)


def within(start: Callable[[], T], program: Path, hidden: Iterable[str | Path] | None = None) -> T:
    """Call `start`, so that the process that it makes of this program sees nothing of what is hidden.

    Without Landlock it is called as it is. Raises what it raises, and OSError where the kernel does not confine it.
    """
    if not version():
        return start()
    results: list[T] = []
    errors: list[BaseException] = []

    def confined() -> None:
        try:
            _restrict(program, {Path(os.path.realpath(path)) for path in (HIDDEN if hidden is None else hidden)})
            results.append(start())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            errors.append(error)

    thread = threading.Thread(target=confined, name="confined")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _restrict(program: Path, hidden: set[Path]) -> None:
    """Confine this thread, for good."""
    known = version()
    rights = _RIGHTS[max(since for since in _RIGHTS if since <= known)]
    attributes = struct.pack("=Q", rights) if known < _SCOPED_SINCE else struct.pack("=QQQ", rights, 0, _SCOPES)
    ruleset = _checked(_libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)))
    try:
        loader = interpreter(program)
        beside = rights if loader is None else rights & ~_EXECUTE  # a script needs other programs
        for path in _beside(hidden):
            _allow(ruleset, path, beside)
        for file in filter(None, (program, loader)):
            _allow(ruleset, file, _READ | _EXECUTE)
        _checked(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(_libc.syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)


def _beside(hidden: set[Path]) -> list[str]:
    """Return all that there is but what is hidden: what lies beside it in each folder on the way to it.

    Each tool waits for this, and those folders have hundreds of entries: a path is resolved only where it is a link.
    """
    above = {str(parent) for path in hidden for parent in path.parents}  # resolved, as what is hidden is
    within = tuple(f"{path}/" for path in hidden)
    beside = []
    for folder in filter(os.path.isdir, above):
        with os.scandir(folder) as entries:
            for entry in entries:
                real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                if real not in above and not f"{real}/".startswith(within):
                    beside.append(entry.path)
    return beside


def _allow(ruleset: int, path: str | Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # it went, or leads nowhere
        return
    try:
        allowed = rights if stat.S_ISDIR(os.fstat(descriptor).st_mode) else rights & _OF_FILES
        rule = struct.pack("=Qi", allowed, descriptor)
        _checked(_libc.syscall(_ADD, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0)))
    finally:
        os.close(descriptor)


def interpreter(program: Path) -> Path | None:
    """Return the loader that a program names; None where it is a script, or of a form that is not known."""
    with program.open("rb") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            return None
        offset, (size, count) = struct.unpack_from("<Q", head, 0x20)[0], struct.unpack_from("<HH", head, 0x36)
        file.seek(offset)
        table = file.read(size * count)
        for at in range(0, len(table) - size + 1, size):
            if struct.unpack_from("<I", table, at)[0] == _INTERPRETER:
                file.seek(struct.unpack_from("<Q", table, at + 8)[0])
                return Path(file.read(struct.unpack_from("<Q", table, at + 32)[0]).rstrip(b"\0").decode())
    return None


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the tool cannot be confined: {os.strerror(number)}")
    return answer
