"""Compares what a restored database is made of with what the dump says, by having the dump tool write it once more.

What is missing is a fault. What is defined in other words is one only for a person to judge: the same tool and server
word a definition alike (tested), but settings of another server may add to it (encryption by default, invisible keys,
an engine in place of one that is switched off), and a restore that failed of these could not be had at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import pump
from holdfast.runner.engines.mysql import dumps
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.errors import explained
from holdfast.runner.engines.mysql.only_target import Definitions, OnlyTarget
from holdfast.runner.engines.tool_errors import check
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

_NAMED = 10
_DOING = "comparing its definitions"
_CODE = ("procedure ", "function ", "aggregate function ", "package ", "package body ")
_PASSING = "event "  # one whose time is over is gone at once


@dataclass
class Seen:
    """What was found."""

    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)


def compared(target: Target, manifest: Manifest, restored: Definitions, versions: tuple[str, str], stop: Stop) -> Seen:
    """Compare with what has been fed into the target; `versions` are the dump tool's and the server's now.

    Where this user may not read all of it, it says so. Raises HoldfastError only where the task is to end.
    """
    seen, as_bytes = Seen(), dumps.AS_BYTES[0] in manifest.tool.arguments
    try:
        there = _read(target, as_bytes, [], stop)
    except HoldfastError as error:
        stop.check()
        why = one_line(error.message, 200)
        try:
            there = _read(target, as_bytes, ["--skip-routines"], stop)
        except HoldfastError:
            stop.check()
            seen.warnings.append(f"its definitions were not compared with the dump: {why}")
            return seen
        restored = {name: said for name, said in restored.items() if not name.startswith(_CODE)}
        seen.warnings.append(f"its procedures and functions were not compared with the dump: {why}")
    _compare(seen, restored, there, alike=versions == (manifest.tool.version, manifest.database.server_version))
    return seen


def _compare(seen: Seen, restored: Definitions, there: Definitions, *, alike: bool) -> None:
    """`alike`: tool and server are those of the backup, and word a definition as they did then."""
    small = {name.lower() for name in there}  # a server may write all names in small letters
    missing = [name for name in restored if name.lower() not in small]
    seen.faults += [f"{name} does not exist" for name in missing if not name.startswith(_PASSING)]
    if gone := [name for name in missing if name.startswith(_PASSING)]:
        seen.warnings.append(f"these do not exist, as if their time were over: {_names(gone)}")
    other = [name for name, said in restored.items() if name in there and there[name] != said]
    if alike and other:
        seen.warnings.append(
            f"the server defines these in other words than the dump, so compare them with the original: {_names(other)}"
        )
    if alike and not (missing or other or seen.warnings):
        seen.looked_at.append("schema")


def _names(names: Sequence[str]) -> str:
    return few([one_line(name, 100) for name in names], _NAMED)


def _read(target: Target, as_bytes: bool, flags: Sequence[str], stop: Stop) -> Definitions:
    """Have the dump tool write the definitions, and read them as those of a dump are. Raises HoldfastError."""
    script = OnlyTarget(target.database, target.database)
    arguments = [*dumps.arguments(target.flavour, as_bytes=as_bytes), "--no-data", *flags]
    command = [target.flavour.dump, *target.arguments(), *arguments, "--", target.database]
    with Tool(command, stdout=True) as tool, stop.calling(tool.kill), explained():
        pump(tool.stdout, (lambda data: _take(script, data),), stop)
        check(tool, tool.wait(), Reason.DUMP_FAILED, _DOING)
    script.end()
    return script.defined


def _take(script: OnlyTarget, data: memoryview) -> None:
    script.pass_on(bytes(data))
