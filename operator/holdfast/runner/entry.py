"""The first lines of ours that run in a Job's container: a signal is taken note of before the slow imports begin.

The container's first process does not get a signal that it handles in no way: told to end meanwhile, it would go on.
"""

import gc
import signal
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)
noted: list[signal.Signals] = []
"""The signals that came before anything could be done about them."""


def main() -> int:
    """Run the task; return the exit code."""
    for number in ENDING:
        signal.signal(number, _note)
    gc.disable()  # nothing that is imported becomes garbage: to look for some in it takes a sixth of the imports' time
    from holdfast.runner.main import main as work  # late: that is the point

    gc.freeze()
    gc.enable()
    return work()


def _note(number: int, _frame: FrameType | None) -> None:
    noted.append(signal.Signals(number))
