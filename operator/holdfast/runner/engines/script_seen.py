"""What is seen of a script of SQL as it passes, when it is dumped and when it is read again: its end, what it holds."""

from collections.abc import Callable, Iterator
from typing import Protocol

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

SEEN_TO_END = "end of dump seen"


class EndMark(Protocol):
    """Looks for the last words of an engine's dump tool."""

    @property
    def seen(self) -> bool:
        """Whether they are the last that passed."""

    def feed(self, data: memoryview) -> None:
        """Take the next bytes."""


class Script(Protocol):
    """Counts what an engine's dialect holds."""

    def feed(self, data: memoryview) -> None:
        """Take the next bytes."""

    def contents(self) -> Contents | None:
        """Return what it held; None where that cannot be told."""


class Seen:
    """A script that passes."""

    def __init__(self, mark: EndMark, script: Script, last_words: str, unit: str, warnings: list[str]) -> None:
        """`last_words` and `unit`, which rows come in, are for people; `warnings` gets what is worth knowing."""
        self._mark, self._script = mark, script
        self._last_words, self._unit = last_words, unit
        self._warnings = warnings

    def feed(self, data: memoryview) -> None:
        """Take the next bytes."""
        self._mark.feed(data)
        self._script.feed(data)

    def contents(self, tool: str, unseen: Reason) -> Contents | None:
        """Return what it held; None, with a warning, where that cannot be told. Raises `unseen` without an end."""
        if not self._mark.seen:
            raise HoldfastError(
                unseen,
                f"{tool} exited 0, but its script does not end in '{self._last_words}'",
                "read the server's log, then create another backup: this dump is not complete",
            )
        return self._contents(tool)

    def stored(self) -> Contents | None:
        """Return what a stored one held. Raises EndMarkMissing."""
        if not self._mark.seen:
            raise HoldfastError(
                Reason.END_MARK_MISSING,
                f"the stored script does not end in '{self._last_words}'",
                "restore another backup, or create a new one: this artifact is not a complete dump",
            )
        return self._contents("the stored script")

    def _contents(self, whose: str) -> Contents | None:
        contents = self._script.contents()
        if contents is None:
            self._warnings.append(f"rows were not counted: {self._unit} that {whose} wrote has an unknown form")
        return contents


class ScriptReading:
    """Reads a stored plain script through."""

    schema_comparable = True

    def __init__(self, context: Context, seen: Callable[[list[str]], Seen]) -> None:
        """`seen` makes what sees a script of the engine's, and takes where its warnings go."""
        self.contents: Contents | None = None
        self._stop = context.stop
        self._seen = seen

    def read(self, stream: Iterator[bytes], progress: Progress) -> str:
        """See protocol.Reading. Raises EndMarkMissing."""
        seen = self._seen([])
        for chunk in stream:
            self._stop.check()
            seen.feed(memoryview(chunk))
            progress.uncompressed += len(chunk)
        self.contents = seen.stored()
        return SEEN_TO_END
