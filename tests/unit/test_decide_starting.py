"""Since when a Pod is wanted and none runs: by the operator's own clock, anew for each Pod, never by an old word."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from tests.builders import NOW, a_job, a_pod, ago

from holdfast.api.job import PodWanted
from holdfast.decide import ownership
from holdfast.decide.starting import CLOCKS, LATE, Start, latest, look
from holdfast.decide.views import OwnerRef

QUOTA = "exceeded quota: pods"
FAILED = a_pod(exit_code=1, age=100, ended=50)
GONE = PodWanted(since=ago(30), ran=True, failed_pods=1)  # it was seen to be over half a minute ago


def start(*pods, known=None, ran=False, refused=None, failed=0, refusal=QUOTA, age=200):
    at = None if refused is None else ago(refused)
    return look(a_job(age=age, failed_pods=failed), pods, known, ran, None if refused is None else refusal, at, NOW)


@dataclass(frozen=True)
class Event:
    seen: datetime


def test_the_latest_word_is_told_and_none_of_the_future_but_what_a_clock_may_be_ahead():
    early, late, ahead, future = Event(ago(9)), Event(ago(1)), Event(NOW + CLOCKS), Event(NOW + 1.1 * CLOCKS)
    assert latest([early, late, early], NOW) is late
    assert latest([late, ahead, future], NOW) is ahead
    assert latest([future], NOW) is None
    assert timedelta(seconds=60) == CLOCKS


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(start(), Start(since=ago(200)), id="a new Job: since it was made"),
        pytest.param(start(age=-9), Start(since=NOW), id="a Job of the future: since now"),
        pytest.param(start(a_pod(age=10)), Start(since=ago(10)), id="its first Pod: since that was made"),
        pytest.param(start(a_pod(age=-9)), Start(since=NOW), id="a Pod of the future: since now"),
        pytest.param(start(a_pod(phase="Running")), Start(running=True), id="it runs"),
        pytest.param(start(FAILED, a_pod(phase="Running")), Start(running=True), id="the next one runs"),
        pytest.param(start(a_pod(phase="Running"), a_pod(age=3, uid="2"), ran=True),
                     Start(since=ago(3), wanted=PodWanted(since=NOW, ran=True)), id="the newest is what counts"),
    ],
)  # fmt: skip
def test_the_first_start_counts_from_job_and_pod(seen, expected):
    assert seen == expected


WANTED = PodWanted(since=NOW, ran=True)


@pytest.mark.parametrize(
    ("seen", "failed"),
    [
        pytest.param({"ran": True}, 0, id="it was seen to run"),
        pytest.param({"pods": [FAILED]}, 0, id="one has ended"),
        pytest.param({"failed": 1}, 1, id="the Job has counted one"),
        pytest.param({"known": PodWanted(since=NOW, ran=True)}, 0, id="the status knows"),
    ],
)
def test_after_a_pod_has_ended_another_one_is_wanted_from_when_that_was_seen(seen, failed):
    seen = dict(seen)
    wanted = WANTED.model_copy(update={"failed_pods": failed})
    pods = seen.pop("pods", [])
    assert start(*pods, **seen) == Start(replaced=True, wanted=wanted)
    assert start(*pods, a_pod(age=4, uid="next"), **seen) == Start(since=ago(4), wanted=wanted)


def test_what_is_known_already_keeps_its_time_until_another_pod_has_come_and_gone():
    assert start(known=GONE, failed=1) == Start(replaced=True, wanted=GONE)
    assert start(known=GONE, failed=2).wanted == PodWanted(since=NOW, ran=True, failed_pods=2)
    assert start(a_pod(age=2), known=GONE, failed=1) == Start(since=ago(2), wanted=GONE)


def test_a_refusal_counts_from_when_it_was_first_seen_until_a_pod_is_there():
    first = start(refused=1)
    assert first == Start(since=ago(200), refusal=QUOTA, wanted=PodWanted(since=ago(200), refused=True))
    known = PodWanted(since=ago(100), refused=True)
    assert start(refused=1, known=known) == Start(since=ago(100), refusal=QUOTA, wanted=known)
    assert start(known=known) == Start(since=ago(100), wanted=known), "also while nobody repeats it"
    assert start(a_pod(age=7), known=known, refused=1) == Start(since=ago(7))


OLD = "history"


@pytest.mark.parametrize(
    ("refused", "pods", "known", "failed", "news"),
    [
        pytest.param(49, [FAILED], None, 1, True, id="after the last Pod's end"),
        pytest.param(50, [FAILED], None, 1, True, id="at its very end"),
        pytest.param(51, [FAILED], None, 1, False, id="before its end"),
        pytest.param(101, [a_pod(exit_code=1, age=100, ended=None)], None, 1, False, id="before it was made"),
        pytest.param(99, [a_pod(exit_code=1, age=100, ended=None)], None, 1, True, id="no end of it is known"),
        pytest.param(1, [a_pod(phase="Failed", age=100)], None, 1, True, id="it never ran"),
        pytest.param(34, [], GONE, 1, True, id="while one may have ended that is gone"),
        pytest.param(36, [], GONE, 1, False, id="before that"),
        pytest.param(36, [], PodWanted(since=ago(30), ran=True), 0, False, id="before that, and nobody counted it"),
        pytest.param(36, [a_pod(exit_code=1, age=100, ended=50)], PodWanted(since=ago(30), ran=True, failed_pods=2),
                     2, False, id="one of two is gone"),
        pytest.param(36, [FAILED], GONE, 1, True, id="the only one is there and tells its end"),
    ],
)  # fmt: skip
def test_a_refusal_is_news_where_it_is_younger_than_every_pod(refused, pods, known, failed, news):
    seen = start(*pods, refused=refused, known=known, failed=failed)
    assert (seen.refusal == QUOTA, seen.replaced) == (news, not news)
    assert timedelta(seconds=5) == LATE


def test_a_refusal_of_this_moment_is_news_though_it_has_no_time():
    seen = look(a_job(failed_pods=1), [FAILED], None, True, QUOTA, None, NOW)
    assert (seen.refusal, seen.since) == (QUOTA, NOW)


def test_without_a_job_no_pod_is_its_own_and_one_that_nobody_controls_least_of_all():
    nobodys, another, ours = a_pod(job=None), a_pod(job="another"), a_pod(job="job-1")
    assert ownership.pods_of(None, [nobodys, another, ours]) == ()
    assert ownership.pods_of("job-1", [nobodys, another, ours]) == (ours,)


def test_a_stray_is_of_this_backup_and_of_a_job_that_is_gone():
    nobodys, another, ours = a_pod(job=None), a_pod(job="another"), a_pod(job="job-1")
    assert ownership.strays(a_job(), [nobodys, another, ours], ours.labelled) == (another,)
    assert ownership.strays(None, [nobodys, another, ours], ours.labelled) == (another, ours)
    assert ownership.strays(a_job(), [another], OwnerRef("DatabaseBackup", "another")) == ()
