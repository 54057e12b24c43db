"""A MySQL or MariaDB dump: how it is made, and how it is seen to be whole."""

from contextlib import ExitStack
from typing import Self

from holdfast.errors import Reason
from holdfast.runner.artifact.stream import Sink, pump
from holdfast.runner.engines.mysql import server
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.end_mark import EndMark
from holdfast.runner.engines.mysql.errors import explained
from holdfast.runner.engines.mysql.flavour import Flavour
from holdfast.runner.engines.mysql.script import Script
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.engines.script_seen import SEEN_TO_END, Seen
from holdfast.runner.engines.silence import asking
from holdfast.runner.engines.tool_errors import check
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

MAX_PACKET = "--max-allowed-packet=1G"  # the most there is; a client takes only what a row needs
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


# With --hex-blob, all texts come as the very bytes that the server holds, in hexadecimal, and go back as such. What is
# not a text (JSON, dates) is in utf8mb4, as names are: so the script must not say that it is all binary.
AS_BYTES = ("--default-character-set=binary", "--skip-set-charset")


def arguments(flavour: Flavour, *, as_bytes: bool = False) -> list[str]:
    """Return the dump tool's arguments, without the connection."""
    return [*COMMON, *flavour.dumps, *(AS_BYTES if as_bytes else ())]


def seen(warnings: list[str]) -> Seen:
    """Return what sees a script of the dump tool's; `warnings` gets what is worth knowing of it."""
    return Seen(EndMark(), Script(), "Dump completed", "a statement", warnings)


class StreamedDump:
    """A plain script, straight from the tool into our pipe."""

    suffix = ".sql"

    def __init__(self, target: Target, context: Context, warnings: list[str], *, as_bytes: bool = False) -> None:
        """What is noticed is added to `warnings`."""
        self.arguments = arguments(target.flavour, as_bytes=as_bytes)
        self.contents: Contents | None = None
        self._warnings = warnings
        self._name = target.flavour.dump
        self._stop = context.stop
        self._silent = asking(server.require_dumping, target, context)
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
        script = seen(self._warnings)
        pump(self._tool.stdout, (script.feed, sink.write), self._stop, self._silent)
        with explained():
            check(self._tool, self._tool.wait(), Reason.DUMP_FAILED, "dumping")
        # What it calls an error and goes on in spite of is a person's to judge.
        self._warnings += self._tool.warnings(among=f"{self._name}: ")
        self.contents = script.contents(self._name, Reason.END_MARK_MISSING)
        return SEEN_TO_END
