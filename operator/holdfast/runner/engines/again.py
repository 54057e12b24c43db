"""Tries to reach a server again while what is wrong may pass by itself: it starts, or fails over."""

from collections.abc import Callable
from typing import TypeVar

from holdfast.errors import HoldfastError
from holdfast.runner.pod.stop import Stop

T = TypeVar("T")
WINDOW = 15.0  # seconds in which it is tried again
FIRST_PAUSE = 0.25  # seconds; each further pause is twice as long, at most 4


class PassingError(Exception):
    """What is wrong may pass by itself; `told` is what a person is told if it does not."""

    def __init__(self, told: HoldfastError) -> None:
        """Take the error for the end."""
        super().__init__(told.message)
        self.told = told


def patiently(attempt: Callable[[], T], stop: Stop) -> T:
    """Attempt it until it succeeds; when the window is over, raise the last PassingError. A stop is raised at once."""
    stop.check()
    try:
        return attempt()
    except PassingError:
        if WINDOW < FIRST_PAUSE:
            raise
    stop.wait(FIRST_PAUSE)
    from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_exponential  # late: seldom needed

    again = Retrying(
        retry=retry_if_exception_type(PassingError),
        stop=stop_before_delay(WINDOW - FIRST_PAUSE),
        wait=wait_exponential(2 * FIRST_PAUSE, max=4),
        sleep=stop.wait,
        before=lambda _: stop.check(),
        reraise=True,
    )
    return again(attempt)
