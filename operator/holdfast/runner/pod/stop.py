"""The one way to end a task early: a deadline or a signal asks, the work notices.

Nothing is thrown into running code: a request is remembered, the registered actions (killing a tool) run once, and
the work raises at its next `check`. So no upload is ever left between being begun and being known.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

from holdfast.errors import HoldfastError

T = TypeVar("T")
POLL = 0.2  # seconds


class Stop:
    """Whether, and why, the task must end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._actions: list[Callable[[], None]] = []
        self.error: HoldfastError | None = None

    def request(self, error: HoldfastError) -> None:
        """Ask the task to end with this error; the first request wins."""
        with self._lock:
            if self.error is not None:
                return
            self.error = error
            actions = list(self._actions)
        self._event.set()
        for action in actions:
            action()

    def check(self) -> None:
        """Raise the error that the task was asked to end with, if it was."""
        if self.error is not None:
            raise self.error

    def wait(self, seconds: float) -> None:
        """Sleep, seconds; raises at once when the task is asked to end."""
        if self._event.wait(seconds):
            self.check()

    def result(self, future: "Future[T]") -> T:
        """Wait for a future's result; raises at once when the task is asked to end, whatever the future waits for."""
        while not wait([future], timeout=POLL).done:
            self.check()
        return future.result()

    @contextmanager
    def calling(self, action: Callable[[], None]) -> Iterator[None]:
        """Have `action` called when the task is asked to end within this block (at once if it already was)."""
        with self._lock:
            self._actions.append(action)
            late = self.error is not None
        try:
            if late:
                action()
            yield
        finally:
            with self._lock:
                self._actions.remove(action)
