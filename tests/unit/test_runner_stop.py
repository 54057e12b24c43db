"""A stop: the first one counts, what was registered is done once, and whatever waits notices."""

import threading
from concurrent.futures import Future

import pytest

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.stop import Stop

LATE = HoldfastError(Reason.DEADLINE_EXCEEDED, "late", "wait longer")
TOLD = HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one")


def test_nothing_happens_before_it_is_asked_for():
    stop = Stop()
    stop.check()
    stop.wait(0.01)


def test_the_first_request_counts():
    stop = Stop()
    stop.request(LATE)
    stop.request(TOLD)
    with pytest.raises(HoldfastError, match="late"):
        stop.check()


def test_what_is_registered_is_done_once_and_only_within_its_block():
    stop, done = Stop(), []
    with stop.calling(lambda: done.append("within")):
        with stop.calling(lambda: done.append("over")):
            pass
        stop.request(TOLD)
        stop.request(LATE)
    assert done == ["within"]


def test_what_is_registered_too_late_is_done_at_once():
    stop, done = Stop(), []
    stop.request(TOLD)
    with stop.calling(lambda: done.append("late")):
        assert done == ["late"]


def test_a_result_is_waited_for():
    future: Future[str] = Future()
    timer = threading.Timer(0.02, future.set_result, ["here"])
    timer.start()
    assert Stop().result(future) == "here"
    timer.join()


def test_a_result_that_never_comes_is_left_when_a_stop_is_asked_for():
    stop = Stop()
    timer = threading.Timer(0.02, stop.request, [TOLD])
    timer.start()
    with pytest.raises(HoldfastError, match="told to end"):
        stop.result(Future())
    timer.join()
