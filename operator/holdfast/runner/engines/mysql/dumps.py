"""A MySQL or MariaDB dump: how it is made, and how it is seen to be whole."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import Sink, pump
from holdfast.runner.engines.mysql import server
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.end_mark import EndMark
from holdfast.runner.engines.mysql.errors import explained
from holdfast.runner.engines.mysql.flavour import Flavour
from holdfast.runner.engines.mysql.script import Script
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.engines.tool_errors import check
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

MAX_PACKET = "--max-allowed-packet=1G"  # the most there is; a client takes only what a row needs
SEEN_TO_END = "end of dump seen"
COMMON = (
    "--single-transaction",  # one moment for all tables that know transactions, and no locks
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",  # they belong to the server, and to read them takes the right PROCESS
    "--skip-add-drop-table",  # restored by mistake where something is, it must fail and not replace
    "--skip-add-locks",
    MAX_PACKET,
)


def arguments(flavour: Flavour) -> list[str]:
    """Return the dump tool's arguments, without the connection."""
    return [*COMMON, *flavour.dumps]


def asking(target: Target, context: Context) -> Callable[[float], None]:
    """Return what is to be called when a dump is silent: it logs what the server does for it, or raises DumpStalled."""

    def ask(seconds: float) -> None:
        doing = server.require_dumping(target, context.stop, seconds)
        context.log.line("silent", seconds=round(seconds), server=doing)

    return ask


class Seen:
    """What is seen of a script as it passes: its end, and what it holds."""

    def __init__(self, warnings: list[str]) -> None:
        """What is noticed is added to `warnings`."""
        self._warnings = warnings
        self._mark = EndMark()
        self._script = Script()

    def feed(self, data: memoryview) -> None:
        """Take the next bytes."""
        self._mark.feed(data)
        self._script.feed(data)

    @property
    def ended(self) -> bool:
        """Whether the script's end mark was the last."""
        return self._mark.seen

    def contents(self, whose: str) -> Contents | None:
        """Return what it held; None, with a warning, where that cannot be told."""
        contents = self._script.contents()
        if contents is None:
            self._warnings.append(f"rows were not counted: a statement of {whose}'s has a form that is not known")
        return contents


class StreamedDump:
    """A plain script, straight from the tool into our pipe."""

    suffix = ".sql"

    def __init__(self, target: Target, context: Context, warnings: list[str]) -> None:
        """What is noticed is added to `warnings`."""
        self.arguments = arguments(target.flavour)
        self.contents: Contents | None = None
        self._warnings = warnings
        self._name = target.flavour.dump
        self._stop = context.stop
        self._silent = asking(target, context)
        self._stack = ExitStack()
        self._command = [self._name, *target.arguments(), *self.arguments, "--", target.database]

    def __enter__(self) -> Self:
        self._tool = self._stack.enter_context(Tool(self._command, stdout=True))
        self._stack.enter_context(self._stop.calling(self._tool.kill))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stream(self, sink: Sink, progress: Progress) -> str:
        """See engine.Dumping."""
        progress.phase = "dumping"
        seen = Seen(self._warnings)
        pump(self._tool.stdout, (seen.feed, sink.write), self._stop, self._silent)
        with explained():
            check(self._tool, self._tool.wait(), Reason.DUMP_FAILED, "dumping")
        # What it calls an error and goes on in spite of is a person's to judge.
        self._warnings += self._tool.warnings(among=f"{self._name}: ")
        if not seen.ended:
            raise HoldfastError(
                Reason.END_MARK_MISSING,
                f"{self._name} exited 0, but its script does not end in 'Dump completed'",
                "the dump is not whole: look at the server's log, then create another backup",
            )
        self.contents = seen.contents(self._name)
        return SEEN_TO_END
