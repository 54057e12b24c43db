"""The work runs in a thread: a signal, the deadline or a fault of our own is told as what it is, and in time."""

import io
import json
import os
import queue
import signal
import threading
import time
from types import SimpleNamespace

import pytest
from tests.builders import NOW
from tests.patience import ENOUGH

from holdfast.contract.paths import GRACE_SECONDS
from holdfast.errors import HoldfastError, Reason
from holdfast.runner import supervise
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.result import Result, UncleanError
from holdfast.runner.pod.stop import Stop

pytestmark = pytest.mark.usefixtures("signals_as_before")


@pytest.fixture
def log():
    return io.StringIO()


@pytest.fixture
def context(tmp_path, log):
    return Context(Places(termination_log=tmp_path / "termination-log"), Stop(), Log(log), "pod-uid", NOW)


def test_what_the_work_returns_is_the_end(context):
    assert supervise.supervise(lambda: Result(message="m"), context, 5).result == Result(message="m")


def test_a_fault_of_our_own_is_told_without_its_values(context, log):
    def work():
        raise ValueError("the password is hush-hush")

    ended = supervise.supervise(work, context, 5)
    assert ended.failure.reason is Reason.INTERNAL_ERROR
    assert "ValueError at test_supervise.py:" in ended.failure.message
    assert "hush" not in ended.failure.message + ended.failure.remedy + log.getvalue()


def test_a_full_disk_is_told_as_one(context):
    def work():
        raise OSError(28, "No space left on device")

    assert supervise.supervise(work, context, 5).failure.reason is Reason.DISK_FULL


def test_what_could_not_be_removed_is_told(context):
    def work():
        first = HoldfastError(Reason.STORAGE_UNAVAILABLE, "gone", "look")
        raise UncleanError(first, "no abort")

    ended = supervise.supervise(work, context, 5)
    assert (ended.failure.message, ended.clean, ended.leftover) == ("gone", False, "no abort")


def test_an_error_that_was_never_raised_is_told_without_a_place(context):
    def work():
        raise UncleanError(ValueError("hush-hush"), "no abort")

    ended = supervise.supervise(work, context, 5)
    assert (ended.failure.message, ended.leftover) == ("a fault in Holdfast: ValueError", "no abort")


def test_while_the_work_runs_the_memory_of_its_tools_is_looked_at(monkeypatch, context):
    looked = threading.Event()
    monkeypatch.setattr(supervise, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(supervise, "PEAK", SimpleNamespace(look=looked.set))

    def work():
        assert looked.wait(ENOUGH)
        return Result()

    assert supervise.supervise(work, context, 2 * ENOUGH).failure is None


def test_the_deadline_ends_the_work_and_is_the_failure(context):
    def work():
        context.stop.wait(30)
        return Result()

    ended = supervise.supervise(work, context, 0.05)
    assert (ended.failure.reason, ended.clean) == (Reason.DEADLINE_EXCEEDED, True)


def test_work_that_tells_the_stop_itself_says_what_it_had_to_leave(context):
    def work():
        try:
            context.stop.wait(30)
        except HoldfastError as stopped:
            raise HoldfastError(stopped.reason, f"{stopped.message}; half of it stays", stopped.remedy) from stopped

    assert supervise.supervise(work, context, 0.05).failure.message.endswith("; half of it stays")


@pytest.mark.parametrize(
    "broke", [BrokenPipeError(), HoldfastError(Reason.DUMP_FAILED, "m", "r")], ids=["a pipe", "a dump"]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_the_work_and_is_the_failure_whatever_broke_because_of_it(context, number, broke):
    def work():
        os.kill(os.getpid(), number)
        try:
            context.stop.wait(30)
        except HoldfastError:
            raise broke from None

    ended = supervise.supervise(work, context, 30)
    assert ended.failure.reason is Reason.INTERRUPTED
    assert number.name in ended.failure.message


def test_a_signal_that_came_before_the_work_keeps_it_from_beginning(context, monkeypatch):
    monkeypatch.setattr("holdfast.runner.signals.noted", [signal.SIGTERM])
    begun = []
    ended = supervise.supervise(lambda: begun.append(True), context, 5)
    assert (begun, ended.result, ended.failure.reason) == ([], None, Reason.INTERRUPTED)
    assert "SIGTERM" in ended.failure.message


def test_a_stop_is_told_in_the_log_and_a_second_signal_changes_nothing(context, log, monkeypatch):
    seen, told = [], supervise._interrupted
    monkeypatch.setattr(supervise, "_interrupted", lambda name: seen.append(name) or told(name))

    def work():
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            context.stop.wait(30)
        except HoldfastError:
            os.kill(os.getpid(), signal.SIGINT)
            until = time.monotonic() + ENOUGH
            while len(seen) < 2 and time.monotonic() < until:
                threading.Event().wait(0.005)
            raise

    ended = supervise.supervise(work, context, 30)
    assert "SIGTERM" in ended.failure.message
    assert (seen, ended.clean) == (["SIGTERM", "SIGINT"], True)
    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["event"], line["reason"]) == ("stopping", "Interrupted")


def test_a_fault_of_our_own_is_told_in_the_log_with_its_place(context, log):
    supervise.supervise(lambda: 1 / 0, context, 5)
    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["event"], line["type"]) == ("fault", "ZeroDivisionError")
    assert "test_supervise.py:" in line["where"][-1]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ConnectionError("x")], ids=["another", "none"])
def test_no_other_error_of_the_system_is_called_a_full_disk(context, error):
    def work():
        raise error

    assert supervise.supervise(work, context, 5).failure.reason is Reason.INTERNAL_ERROR


def test_the_report_goes_out_before_the_kubelet_kills():
    assert GRACE_SECONDS - supervise.ENDING_SECONDS == 5  # to write it in


def test_work_that_does_not_end_is_left_behind_and_called_unclean(context, monkeypatch):
    monkeypatch.setattr(supervise, "ENDING_SECONDS", 0.05)
    hanging = threading.Event()

    def work():
        hanging.wait()
        return Result()

    ended = supervise.supervise(work, context, 0.05)
    hanging.set()
    assert (ended.failure.reason, ended.clean) == (Reason.DEADLINE_EXCEEDED, False)


def test_work_that_takes_longer_than_a_look_is_waited_for(context, monkeypatch):
    monkeypatch.setattr(supervise, "LOOK_SECONDS", 0.01)
    long = threading.Event()
    timer = threading.Timer(0.1, long.set)

    def work():
        timer.start()
        long.wait()
        return Result(message="done")

    assert supervise.supervise(work, context, 60) == supervise.End(result=Result(message="done"))


@pytest.mark.parametrize(
    ("step", "seconds", "waits"),
    [
        pytest.param(0.0, 1.2, [0.5, 0.5, 0.2], id="in short waits"),
        pytest.param(0.15, 0.1, [0.0], id="at once where the time is over by then"),
    ],
)
def test_news_are_waited_for_until_the_time_is_over(monkeypatch, step, seconds, waits):
    now, waited = [100.0], []

    def monotonic():
        now[0] += step
        return now[0]

    class Silence:
        def get(self, timeout):
            waited.append(timeout)
            now[0] += timeout
            raise queue.Empty

    monkeypatch.setattr(supervise, "time", SimpleNamespace(monotonic=monotonic))
    with pytest.raises(queue.Empty):
        supervise._next(Silence(), seconds)
    assert waited == pytest.approx(waits)


def test_work_that_finished_in_spite_of_a_stop_is_finished(context):
    """The manifest was written before the signal was seen: it is a backup, and saying otherwise would be a lie."""

    def work():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(HoldfastError):
            context.stop.wait(30)
        return Result(message="published")

    assert supervise.supervise(work, context, 30) == supervise.End(result=Result(message="published"))
