"""The signals that end a Job's container: taken note of from its first moment, and answered once the work has begun.

The container's first process does not get a signal that it handles in no way: told to end meanwhile, it would go on.
"""

import signal
from collections.abc import Callable
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)
noted: list[signal.Signals] = []
"""The signals that came before anything could be done about them."""


def note() -> None:
    """Remember each signal from now on."""
    for number in ENDING:
        signal.signal(number, lambda number, _frame: noted.append(signal.Signals(number)))


def answer(act: Callable[[str], None]) -> None:
    """Call `act` with the name of each signal from now on."""

    def came(number: int, _frame: FrameType | None) -> None:
        act(signal.Signals(number).name)

    for number in ENDING:
        signal.signal(number, came)
