"""Why a Job has no Pod: asked only while one waits, of its own namespace, and believed of the Job controller alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, a_begun_backup, a_job, a_pod, ago, observed

from holdfast.api.backup import Cleanup, Phase
from holdfast.decide.backup.observation import Observation
from holdfast.decide.backup.refusals import INTERVAL, PATIENCE, look, look_again
from holdfast.decide.decision import Learn, What
from holdfast.decide.seen import Asked
from holdfast.kube.errors import Refused
from holdfast.kube.kinds import EVENTS, Kind
from holdfast.reconcile.refusals import PodRefusal, Refusals

LATER = NOW + timedelta(hours=2)


def an_event(
    *, seen: str = "2026-11-22T08:44:00Z", message: str = "exceeded quota", namespace: str = "shop",
    about: dict[str, Any] | None = None, **changes: Any,
) -> dict[str, Any]:  # fmt: skip
    job = {"kind": "Job", "namespace": "shop", "name": "j", "uid": "uid-j"} | (about or {})
    said = {"message": message, "lastTimestamp": seen, "source": {"component": "job-controller"}}
    meta = {"namespace": namespace, "name": "e", "creationTimestamp": "2026-11-22T08:00:00Z"}
    return {"metadata": meta, "involvedObject": job} | said | changes


class Cluster:
    """Answers with pages of Events, and counts who asks."""

    def __init__(self, *pages: list[dict[str, Any]], error: Exception | None = None) -> None:
        self._pages, self._error = pages, error
        self.asked: list[str] = []
        self.given = 0

    async def pages(self, kind: Kind, namespace: str, *, field_selector: str) -> AsyncIterator[list[dict[str, Any]]]:
        assert kind is EVENTS
        assert field_selector == "involvedObject.kind=Job,reason=FailedCreate,source=job-controller"
        self.asked.append(namespace)
        await asyncio.sleep(0)
        if self._error:
            raise self._error
        for page in self._pages:
            self.given += 1
            yield page


async def refusal(*events: dict[str, Any]) -> PodRefusal | None:
    found = Refusals()
    await found.look(Cluster(list(events)), "shop", NOW)
    return next(iter(found.of("shop", "uid-j")), None)


@pytest.mark.parametrize(
    "event",
    [
        an_event(namespace="strangers"),
        an_event(namespace="strangers", about={"namespace": "strangers"}),
        an_event(about={"namespace": "strangers"}),
        an_event(source={"component": "a-stranger"}),
        an_event(source={}, reportingComponent="a-stranger"),
        an_event(source=None),
        an_event(about={"uid": "uid-k"}),
        an_event(about={"uid": ["uid-j"]}),
    ],
    ids=[
        "in another namespace", "in another namespace and about that one", "about another namespace",
        "by another component", "by another reporter", "by nobody", "about another Job", "about a uid that is none",
    ],
)  # fmt: skip
async def test_it_is_believed_of_the_jobs_own_namespace_and_of_the_job_controller_alone(event: dict[str, Any]) -> None:
    assert await refusal(event) is None


@pytest.mark.parametrize("names", [{"namespace": "", "about": {"namespace": ""}}, {"about": {"uid": ""}}], ids=str)
def test_one_about_nothing_is_about_nobody(names: dict[str, Any]) -> None:
    assert PodRefusal.of(an_event(**names)) is None


@pytest.mark.parametrize("by", [{}, {"source": {}, "reportingComponent": "job-controller"}], ids=["old", "new"])
async def test_it_is_believed_in_both_forms_of_an_event(by: dict[str, Any]) -> None:
    found = await refusal(an_event(**by))
    assert found.message == "exceeded quota"


async def test_of_several_the_latest_is_told() -> None:
    early = an_event(seen="2026-11-22T08:40:00Z", message="no ServiceAccount")
    assert (await refusal(an_event(), early)).message == "exceeded quota"
    assert (await refusal(early, an_event())).message == "exceeded quota"


async def test_one_of_the_future_is_nobodys_and_hides_no_other() -> None:
    future = an_event(seen="9999-12-31T23:59:59Z", message="of the future")
    assert await refusal(future) is None
    assert (await refusal(an_event(), future)).message == "exceeded quota"
    assert (await refusal(future, an_event())).message == "exceeded quota"


@pytest.mark.parametrize(
    "times", [{"lastTimestamp": "0000-01-01T00:00:00Z"}, {"lastTimestamp": None}, {"lastTimestamp": 5}],
    ids=["the year 0", "null", "a number"],
)  # fmt: skip
async def test_one_without_a_time_is_as_old_as_its_event(times: dict[str, Any]) -> None:
    found = await refusal(an_event(**times))
    assert found.seen.isoformat() == "2026-11-22T08:00:00+00:00"


async def test_it_is_kept_short_and_in_one_line() -> None:
    kept = (await refusal(an_event(message="no\x1b[2J\r\n\u202eway" + "x" * 1_000_000))).message
    assert kept.startswith("no [2J   wayx")
    assert len(kept) == 2048


async def test_a_namespace_full_of_events_is_not_read_to_its_end() -> None:
    cluster = Cluster(*([an_event()] for _ in range(1000)))
    await Refusals().look(cluster, "shop", NOW)
    assert cluster.given == 10


async def test_what_cannot_be_asked_stops_nobody_and_forgets_nothing() -> None:
    found = Refusals()
    await found.look(Cluster([an_event()]), "shop", NOW)
    await found.look(Cluster(error=Refused("events is forbidden")), "shop", NOW + INTERVAL)
    assert [one.message for one in found.of("shop", "uid-j")] == ["exceeded quota"]
    assert found.read("shop") == NOW + INTERVAL


async def test_what_is_told_no_more_is_known_no_more() -> None:
    found = Refusals()
    await found.look(Cluster([an_event()]), "shop", NOW)
    await found.look(Cluster([]), "shop", NOW + INTERVAL)
    assert found.of("shop", "uid-j") == []


async def test_a_namespace_that_nobody_asked_of_for_long_is_forgotten() -> None:
    found = Refusals()
    await found.look(Cluster([an_event()]), "shop", NOW)
    await found.look(Cluster([]), "crm", LATER)
    assert (found.read("shop"), found.of("shop", "uid-j")) == (None, [])


async def test_a_thousand_jobs_that_wait_in_one_namespace_ask_once() -> None:
    found, cluster = Refusals(), Cluster([an_event()])

    async def reconcile() -> None:
        o = replace(WAITS, asked=Asked(refusals=found.read("shop")))
        if look(o, NOW):
            await found.look(cluster, "shop", NOW)

    await asyncio.gather(*(reconcile() for _ in range(1000)))
    assert cluster.asked == ["shop"]


WAITS = observed(a_begun_backup(), job=a_job(age=20))
ENDED = a_begun_backup(phase=Phase.FAILED)
VERIFYING = a_begun_backup(phase=Phase.VERIFYING)
ASKED = {
    "a Job without a Pod": WAITS,
    "its Pod has failed and none follows": observed(
        a_begun_backup(), job=a_job(age=20), pods=(a_pod(exit_code=1, age=10),)
    ),
    "asked a while ago": replace(WAITS, asked=Asked(refusals=ago(15))),
    "a verification's Job without a Pod": observed(VERIFYING, job=a_job(complete=True), verify_job=a_job(age=20)),
}
NOT_ASKED = {
    "no Job yet": observed(a_begun_backup()),
    "a Job of this moment": observed(a_begun_backup(), job=a_job(age=2)),
    "a Pod that is starting": observed(a_begun_backup(), job=a_job(age=20), pods=(a_pod(),)),
    "a Pod that runs": observed(a_begun_backup(), job=a_job(age=20), pods=(a_pod(phase="Running"),)),
    "a Pod that failed this moment": observed(a_begun_backup(), job=a_job(age=20), pods=(a_pod(exit_code=1, age=2),)),
    "asked just now": replace(WAITS, asked=Asked(refusals=ago(14))),
    "a Job that has ended": observed(a_begun_backup(), job=a_job(failed="BackoffLimitExceeded")),
    "a Job that is being deleted": observed(a_begun_backup(), job=a_job(deleting=True)),
    "a backup that is being deleted": observed(replace(a_begun_backup(), deleting=True), job=a_job(age=20)),
    "a backup that has ended": observed(ENDED, job=a_job(age=20)),
    "a cleanup that is done": observed(
        a_begun_backup(phase=Phase.FAILED, cleanup=Cleanup(job_name="c", state="Done", message="")),
        cleanup_job=a_job(age=20),
    ),
    "a verification with its Pod": observed(VERIFYING, job=a_job(), verify_job=a_job(), verify_pods=(a_pod(),)),
}


@pytest.mark.parametrize("o", ASKED.values(), ids=ASKED.keys())
def test_it_is_asked_while_a_job_waits_for_a_pod(o: Observation) -> None:
    assert look(o, NOW).act == Learn(What.EVENTS)


@pytest.mark.parametrize("o", NOT_ASKED.values(), ids=NOT_ASKED.keys())
def test_it_is_not_asked_otherwise(o: Observation) -> None:
    assert look(o, NOW) is None


def test_it_is_asked_again_though_no_event_comes() -> None:
    assert look_again(observed(a_begun_backup(), job=a_job(age=2))) == ago(2) + PATIENCE
    assert look_again(replace(WAITS, asked=Asked(refusals=NOW))) == NOW + INTERVAL
    assert look_again(observed(a_begun_backup(), job=a_job(age=1), refusals_read=ago(60))) == ago(1) + PATIENCE
    assert timedelta(seconds=4) == PATIENCE, "each second of it is one of everybody who waits"
    assert look_again(observed(a_begun_backup(), job=a_job(age=20), pods=(a_pod(),))) is None
