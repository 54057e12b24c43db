"""Watches over a task's work: it runs in a thread of its own, so that a signal or the deadline is noticed at once.

Whatever the work waits for, an answer comes. Faults of our own name the exception's type and place, never its values,
which might be secret.
"""

import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from holdfast.contract.paths import GRACE_SECONDS
from holdfast.errors import HoldfastError, Reason
from holdfast.runner import signals
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.memory import PEAK
from holdfast.runner.pod.result import Result, UncleanError

LOOK_SECONDS = 0.5  # that a signal may wait for its answer
ENDING_SECONDS = GRACE_SECONDS - 5  # for the work to end well once it was asked to; then the report goes out without it


@dataclass(frozen=True)
class End:
    """What the work came to."""

    result: Result | None = None
    failure: HoldfastError | None = None
    clean: bool = True
    leftover: str | None = None


def supervise(work: Callable[[], Result], context: Context, deadline_seconds: float) -> End:
    """Run the work in a thread until it ends, the deadline passes or a signal comes; return what it came to."""
    news: SimpleQueue[End | HoldfastError] = SimpleQueue()

    signals.answer(lambda name: news.put(_interrupted(name)))
    if signals.noted:
        return End(failure=_interrupted(signals.noted[0].name))
    threading.Thread(target=lambda: news.put(_ended(work, context)), name="work", daemon=True).start()
    try:
        first = _next(news, deadline_seconds)
    except Empty:
        first = _late(deadline_seconds)
    if isinstance(first, End):
        return first
    context.log.line("stopping", reason=first.reason, message=first.message)
    context.stop.request(first)
    return _last(news, first)


def _next(news: "SimpleQueue[End | HoldfastError]", seconds: float) -> "End | HoldfastError":
    """Wait for news, in short waits. Raises Empty.

    Python answers a signal between two steps of its own. One that comes just before a wait begins is answered when
    that wait ends, and the wait for a deadline is hours.
    """
    give_up = time.monotonic() + seconds
    while True:
        try:
            return news.get(timeout=max(0.0, min(LOOK_SECONDS, give_up - time.monotonic())))
        except Empty:
            PEAK.look()
            if time.monotonic() >= give_up:
                raise


def _last(news: "SimpleQueue[End | HoldfastError]", asked: HoldfastError) -> End:
    """Wait for the work to end, a limited time; a second signal changes nothing."""
    while True:
        try:
            said = _next(news, ENDING_SECONDS)
        except Empty:
            return End(failure=asked, clean=False)
        if isinstance(said, End):
            return said


def _ended(work: Callable[[], Result], context: Context) -> End:
    try:
        return End(result=work())
    except UncleanError as unclean:
        return End(failure=_told(unclean.error, context), clean=unclean.clean, leftover=unclean.leftover)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever happens is reported
        return End(failure=_told(error, context))


def _told(error: Exception, context: Context) -> HoldfastError:
    """Return what a person is told of an error: a stop explains what broke because of it.

    Where the work has told the stop itself, it says what it had to leave.
    """
    if (asked := context.stop.error) is not None:
        return error if isinstance(error, HoldfastError) and error.reason is asked.reason else asked
    if isinstance(error, HoldfastError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    context.log.line("fault", type=type(error).__name__, where=[f"{frame.filename}:{frame.lineno}" for frame in frames])
    if isinstance(error, OSError) and error.errno == 28:  # ENOSPC
        return HoldfastError(Reason.DISK_FULL, "the disk has no space left", "free space on the volume, or enlarge it")
    last = frames[-1] if frames else None
    where = f" at {os.path.basename(last.filename)}:{last.lineno}" if last else ""  # noqa: PTH119 - a name, not a file
    return HoldfastError(
        Reason.INTERNAL_ERROR,
        f"a fault in Holdfast: {type(error).__name__}{where}",
        "please report this fault with the Job's log; nothing was published",
    )


def _interrupted(name: str) -> HoldfastError:
    return HoldfastError(
        Reason.INTERRUPTED,
        f"the Job's container was told to end ({name}) before the task was done",
        "create another backup: somebody deleted the Pod, or drained its node; nothing was published",
    )


def _late(seconds: float) -> HoldfastError:
    return HoldfastError(
        Reason.DEADLINE_EXCEEDED,
        f"the task did not finish within its deadline of {seconds:.0f} s",
        "look at the progress lines in the Job's log for what was slow, or raise job.activeDeadlineSeconds",
    )
