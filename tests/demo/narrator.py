"""What a person reads while the demo runs: which step it is at, how long each took, and what went wrong where."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax

from holdfast import texts


class Narrator:
    """Prints to standard output; on a terminal with colours, elsewhere plain lines that a log can keep."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._step: str | None = None
        self._number = 0
        self._began = time.monotonic()

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[None]:
        """One numbered step; its time is said at its end."""
        self._number += 1
        self._step = f"step {self._number} ({title})"
        self.console.print(f"\n[bold cyan]Step {self._number} of {total}: {escape(title)}[/]")
        began = time.monotonic()
        yield
        self.say(f"done in {_seconds(began)}")
        self._step = None

    def say(self, text: str) -> None:
        """A line within a step."""
        self.console.print(f"  {escape(texts.lines(text))}")

    def heading(self, text: str) -> None:
        self.console.print(f"\n[bold]{escape(text)}[/]")

    def block(self, text: str, language: str = "") -> None:
        """Text to read or to paste, unwrapped and exactly as it is, but for what would move the cursor."""
        text = texts.lines(text)
        if language and self.console.is_terminal:
            # as highlighted text, since Syntax itself would pad and break lines, and what is pasted must not be
            self.console.print(Syntax("", language, background_color="default").highlight(text), end="")
        else:
            self.console.out(text, highlight=False)

    def total(self) -> str:
        """How long it all took so far."""
        return _seconds(self._began)

    def failed(self, what: str, again: str) -> None:
        where = f"{self._step} failed after {self.total()}" if self._step else "failed"
        self.console.print(f"\n[bold red]The demo stopped: {escape(where)}[/]")
        self.console.out(texts.lines(what), highlight=False)
        self.console.print(
            f"\nWhat to do: mend what the lines above say, then run `{again}` again; it goes on where it stopped.\n"
            "`make cluster-status` shows what is there; `make demo-down` removes everything."
        )


def _seconds(since: float) -> str:
    return f"{time.monotonic() - since:.0f} s"
