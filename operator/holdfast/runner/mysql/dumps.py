"""A MySQL or MariaDB dump: how it is made, and how it is seen to be whole."""

from contextlib import ExitStack
from typing import Self

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.context import Context
from holdfast.runner.engine import Contents
from holdfast.runner.mysql.connection import Target
from holdfast.runner.mysql.end_mark import EndMark
from holdfast.runner.mysql.errors import explained
from holdfast.runner.mysql.flavour import Flavour
from holdfast.runner.progress import Progress
from holdfast.runner.stream import Sink, pump
from holdfast.runner.tool_errors import check
from holdfast.runner.tools import Tool

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


class StreamedDump:
    """A plain script, straight from the tool into our pipe."""

    suffix = ".sql"
    contents: Contents | None = None  # rows are not counted

    def __init__(self, target: Target, context: Context) -> None:
        self.arguments = arguments(target.flavour)
        self._name = target.flavour.dump
        self._stop = context.stop
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
        mark = EndMark()
        pump(self._tool.stdout, (mark.feed, sink.write), self._stop)
        with explained():
            check(self._tool, self._tool.wait(), Reason.DUMP_FAILED, "dumping")
        if not mark.seen:
            raise HoldfastError(
                Reason.END_MARK_MISSING,
                f"{self._name} exited 0, but its script does not end in 'Dump completed'",
                "the dump is not whole: look at the server's log, then apply a new backup",
            )
        return SEEN_TO_END
