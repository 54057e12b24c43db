"""Of a backup that has settled a few facts are kept, and what is done about it is what the whole object would say."""

import asyncio
import copy
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import a_success, policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.reconciling import a_loop, some_faults

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Phase
from holdfast.contract.task import BackupTask
from holdfast.decide.backup import settled
from holdfast.errors import HoldfastError
from holdfast.kube.errors import Unavailable
from holdfast.kube.kinds import BACKUPS, JOBS, PODS, POLICIES
from holdfast.naming import ANNOTATION_VERIFY
from holdfast.reconcile.backups import backup_view
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.faults import PATIENCE
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource

KEY = Key(BACKUPS.kind, "shop", "first")
UID = "uid-of-first"
Body = dict[str, Any]


class Shop(FakeCluster):
    """A cluster that counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__(lambda _, task: a_success(task=task if isinstance(task, BackupTask) else None))
        self.calls: list[str] = []
        self.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy_dict()})

    async def get(self, *of: Any) -> Body:
        self.calls.append("get")
        return await super().get(*of)

    async def patch(self, *of: Any, **more: Any) -> Body:
        self.calls.append("patch")
        return await super().patch(*of, **more)

    async def create(self, *of: Any) -> Body:
        self.calls.append("create")
        return await super().create(*of)

    def cache(self) -> Cache:
        cache = Cache()
        for kind in (POLICIES, BACKUPS, JOBS, PODS):
            for body in self.all(kind):
                cache.put(kind, body)
        return cache

    async def reconcile(self, cache: Cache | None = None) -> None:
        await a_loop(cache or self.cache(), self, settings()).reconcile(KEY)

    def what_is_there(self) -> list[Body]:
        return [body for kind in (BACKUPS, JOBS, PODS) for body in self.all(kind)]


async def a_shop(*, at_rest: bool = True) -> Shop:
    """One backup that has succeeded, and its Job has gone; or whose Job has just ended."""
    shop = Shop()
    meta = {"namespace": "shop", "name": "first", "uid": UID}
    shop.put(BACKUPS, {"metadata": meta, "spec": {"policyRef": {"name": "orders"}}})
    await shop.reconcile()
    shop.kubelet()
    if at_rest:
        await shop.reconcile()
        for kind in (JOBS, PODS):
            for body in shop.all(kind):
                del shop.objects[kind.kind, "shop", body["metadata"]["name"]]
    shop.calls.clear()
    return shop


@pytest.fixture(scope="module")
def settled_backup() -> Body:
    (body,) = asyncio.run(a_shop()).all(BACKUPS)
    assert body["status"]["phase"] == "Succeeded"
    return body


JOBS_OF = {"backup": "the-backup", "cleanup": "the-cleanup", "verify": "the-verification"}
FAILURE = {"reason": "DumpFailed", "message": "m", "remedy": "r"}
STALLED = {
    "type": "Stalled", "status": "True", "reason": "OperatorFault", "message": "m",
    "lastTransitionTime": "2026-11-22T08:45:00Z",
}  # fmt: skip


def a_run(request: str, state: str = "Passed") -> Body:
    return {
        "request": request, "number": 1, "state": state, "jobName": JOBS_OF["verify"],
        "startedAt": "2026-11-22T08:45:00Z", "level": "checksum",
    }  # fmt: skip


STATUSES: dict[str, Body] = {
    "as it is": {},
    "failed": {"phase": "Failed", "failure": FAILURE},
    "failed, and cleaned up": {
        "phase": "Failed", "failure": FAILURE, "cleanup": {"jobName": JOBS_OF["cleanup"], "state": "Done"}},
    "to be cleaned up": {
        "phase": "Failed", "failure": FAILURE, "cleanup": {"jobName": JOBS_OF["cleanup"], "state": "Running"}},
    "failed before it began": {"phase": "Failed", "failure": FAILURE, "resolved": None, "backupID": None},
    "verified again": {"verificationRun": a_run("once")},
    "verified again, and not what it was": {"phase": "Failed", "failure": FAILURE, "verificationRun": a_run("once")},
    "being verified": {"phase": "Verifying", "verificationRun": a_run("once", "Running")},
    "without the commands to restore it": {"restore": None},
    "without the commands, and without a Job": {"restore": None, "jobName": None},
    "of another generation": {"observedGeneration": 7},
    "with an unknown phase": {"phase": "Done"},
    "with what another release of Holdfast wrote written": {"resolved": {"database": {"engine": "db2"}}},
    "with a field that cannot be read": {"cleanup": "none"},
    "with a complaint about Holdfast": {"conditions": [STALLED]},
}  # fmt: skip
SPECS: dict[str, Body] = {
    "as it is": {},
    "kept longer": {"retentionDays": 4000},
    "with a field that nobody knows": {"colour": "blue"},
}
ANNOTATIONS: list[Body | None] = [None, {ANNOTATION_VERIFY: "once"}, {ANNOTATION_VERIFY: "twice"}, {ANNOTATION_VERIFY: ""}]  # fmt: skip # noqa: E501
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
JOB_STATES: dict[str, Body | None] = {
    "none": None,
    "running": {"spec": {}, "status": {}},
    "ended": {"spec": {}, "status": COMPLETE},
    "ended, with a time to live": {"spec": {"ttlSecondsAfterFinished": 60}, "status": COMPLETE},
    "going": {"spec": {}, "status": COMPLETE, "deletionTimestamp": "2026-11-22T08:45:00Z"},
    "somebody else's": {"spec": {}, "status": {}, "uid": "uid-of-another"},
}


def changed(body: Body, status: str, spec: str, annotations: Body | None, *, deleting: bool) -> Body:
    body = copy.deepcopy(body)
    names = {"jobName": JOBS_OF["backup"]}
    merged = body["status"] | names | STATUSES[status]
    body["status"] = {key: value for key, value in merged.items() if value is not None}
    body["spec"] |= SPECS[spec]
    body["metadata"] |= {"annotations": annotations} if annotations is not None else {}
    body["metadata"] |= {"deletionTimestamp": "2026-11-22T08:45:00Z"} if deleting else {}
    return body


def a_job(name: str, state: Body) -> Body:
    owner = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup", "name": "first", "controller": True}
    meta: Body = {"namespace": "shop", "name": name, "labels": {"holdfast.dev/backup-uid": UID}}
    meta["ownerReferences"] = [owner | {"uid": state.get("uid", UID)}]
    meta |= {"deletionTimestamp": state["deletionTimestamp"]} if "deletionTimestamp" in state else {}
    return {"metadata": meta, "spec": dict(state["spec"]), "status": state["status"]}


@given(
    status=st.sampled_from(list(STATUSES)),
    spec=st.sampled_from(list(SPECS)),
    annotations=st.sampled_from(ANNOTATIONS),
    deleting=st.sampled_from([False, False, True]),
    jobs=st.fixed_dictionaries({name: st.sampled_from(list(JOB_STATES)) for name in JOBS_OF}),
)
async def test_whatever_is_kept_of_it_the_same_is_done(
    settled_backup: Body, status: str, spec: str, annotations: Body | None, deleting: bool, jobs: dict[str, str]
) -> None:
    body = changed(settled_backup, status, spec, annotations, deleting=deleting)
    worlds = []
    for rule in (settled.has_settled, lambda *_: False):
        shop = Shop()
        shop.put(BACKUPS, copy.deepcopy(body))
        for task, state in jobs.items():
            if (job := JOB_STATES[state]) is not None:
                shop.put(JOBS, a_job(JOBS_OF[task], job))
        shop.calls.clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(settled, "has_settled", rule)
            cache = shop.cache()
            await outcome_of(shop, cache)
        worlds.append((shop.what_is_there(), [call for call in shop.calls if call != "get"]))
    assert worlds[0] == worlds[1]


async def outcome_of(shop: Shop, cache: Cache) -> str | None:
    try:
        await shop.reconcile(cache)
    except HoldfastError as fault:  # over what nobody writes: the same either way
        return str(fault)
    return None


async def test_what_has_settled_is_looked_at_without_a_call(settled_backup: Body) -> None:
    shop = Shop()
    shop.put(BACKUPS, copy.deepcopy(settled_backup))
    cache = shop.cache()
    assert cache.backup("shop", "first").whole is None
    shop.calls.clear()
    await shop.reconcile(cache)
    assert shop.calls == []


@pytest.mark.parametrize(
    ("status", "spec", "annotations"),
    [
        pytest.param(status, "as it is", None, id=status)
        for status in STATUSES
        if status not in ("as it is", "failed", "failed, and cleaned up", "failed before it began", "verified again",
                          "verified again, and not what it was")
    ] + [
        pytest.param("as it is", "with a field that nobody knows", None, id="a spec that cannot be read"),
        pytest.param("as it is", "as it is", {ANNOTATION_VERIFY: "now"}, id="a request to verify it"),
        pytest.param("verified again", "as it is", {ANNOTATION_VERIFY: "now"}, id="another request"),
    ],
)  # fmt: skip
def test_what_has_something_before_it_is_kept_whole(
    settled_backup: Body, status: str, spec: str, annotations: Body | None
) -> None:
    body, cache = changed(settled_backup, status, spec, annotations, deleting=False), Cache()
    cache.put(BACKUPS, body)
    assert cache.whole(BACKUPS, "shop", "first") == Resource.of(body)


async def test_a_backup_that_ends_is_not_asked_for_again() -> None:
    shop = await a_shop(at_rest=False)
    cache = shop.cache()
    await shop.reconcile(cache)
    assert shop.calls == ["patch", "create", "patch"]  # its end, the Event of it, the Job's time to live
    assert cache.backup("shop", "first").phase is Phase.SUCCEEDED
    assert cache.whole(BACKUPS, "shop", "first") is None


async def test_one_that_somebody_changes_while_it_settles_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = await a_shop(at_rest=False)
    cache, patch = shop.cache(), shop.patch

    async def labelled_then(*of: Any, **more: Any) -> Body:
        answer = await patch(*of, **more)
        if of[0] == BACKUPS:
            labels = {"metadata": answer["metadata"] | {"labels": {"team": "shop"}}}
            cache.put(BACKUPS, shop.put(BACKUPS, copy.deepcopy(answer) | labels))
        return answer

    monkeypatch.setattr(shop, "patch", labelled_then)
    await shop.reconcile(cache)
    assert shop.calls == ["patch", "create", "get", "patch"]
    assert shop.all(JOBS)[0]["spec"]["ttlSecondsAfterFinished"] > 0


async def a_late_job(shop: Shop) -> Cache:
    """The Job of a backup that has settled comes when the operator has seen the backup."""
    (body,) = shop.all(BACKUPS)
    cache = shop.cache()
    cache.put(JOBS, shop.put(JOBS, a_job(body["status"]["jobName"], {"spec": {}, "status": COMPLETE})))
    return cache


async def test_a_job_that_comes_after_its_backup_has_settled_is_given_its_time_to_live() -> None:
    shop = await a_shop()
    await shop.reconcile(await a_late_job(shop))
    assert shop.calls == ["get", "patch"]
    (job,) = shop.all(JOBS)
    assert job["spec"]["ttlSecondsAfterFinished"] > 0


@pytest.mark.parametrize(
    ("role", "status"),
    [("backup", "as it is"), ("cleanup", "failed, and cleaned up"), ("verify", "verified again")],
)
async def test_a_late_job_of_any_task_is_tidied_up(settled_backup: Body, role: str, status: str) -> None:
    shop = Shop()
    shop.put(BACKUPS, changed(settled_backup, status, "as it is", None, deleting=False))
    shop.put(JOBS, a_job(JOBS_OF[role], {"spec": {}, "status": COMPLETE}))
    cache = shop.cache()
    assert cache.whole(BACKUPS, "shop", "first") is None
    await shop.reconcile(cache)
    assert shop.all(JOBS)[0]["spec"]["ttlSecondsAfterFinished"] > 0


def test_what_is_verified_again_has_not_settled(settled_backup: Body) -> None:
    body = changed(settled_backup, "being verified", "as it is", None, deleting=False)
    spec, status = (
        DatabaseBackupSpec.model_validate(body["spec"]), DatabaseBackupStatus.model_validate(body["status"])
    )  # fmt: skip
    assert not settled.has_settled(backup_view(Resource.of(body), spec, status), "once")


async def test_what_cannot_be_fetched_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await a_shop()
    cache = await a_late_job(shop)

    async def away(*_: Any) -> Body:
        raise Unavailable("no connection")

    with monkeypatch.context() as patched:
        patched.setattr(shop, "get", away)
        with pytest.raises(Unavailable):
            await shop.reconcile(cache)
    await shop.reconcile(cache)
    assert shop.all(JOBS)[0]["spec"]["ttlSecondsAfterFinished"] > 0


async def test_what_is_gone_meanwhile_is_left_to_its_deletion() -> None:
    shop = await a_shop()
    cache = await a_late_job(shop)
    del shop.objects[BACKUPS.kind, "shop", "first"]
    await shop.reconcile(cache)
    assert shop.calls == ["get"]


async def test_what_goes_while_its_status_is_written_is_left_to_its_deletion(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    shop.put(BACKUPS, {"metadata": {"namespace": "shop", "name": "first"}, "spec": {"policyRef": {"name": "orders"}}})
    cache, patch = shop.cache(), shop.patch

    async def goes(*of: Any, **more: Any) -> Body:
        answer = await patch(*of, **more)
        cache.remove(BACKUPS, {"metadata": answer["metadata"] | {"resourceVersion": "9999"}})
        return answer

    monkeypatch.setattr(shop, "patch", goes)
    await shop.reconcile(cache)
    assert (cache.backup("shop", "first"), shop.all(JOBS)) == (None, [])


async def test_what_came_meanwhile_counts_and_not_what_was_kept() -> None:
    shop = await a_shop()
    cache = await a_late_job(shop)
    (body,) = shop.all(BACKUPS)
    shop.put(BACKUPS, body | {"metadata": body["metadata"] | {"annotations": {ANNOTATION_VERIFY: "now"}}})
    await shop.reconcile(cache)
    assert (await shop.get(BACKUPS, "shop", "first"))["status"]["phase"] == "Verifying"


async def test_a_fault_of_ours_is_told_in_a_settled_backup_too_and_taken_back() -> None:
    shop = await a_shop()
    cache = shop.cache()
    faults = some_faults(cache, shop)

    async def fails(_: Key) -> None:
        raise ValueError("a fault")

    async def goes_on(_: Key) -> None:
        return None

    for _ in range(PATIENCE):
        with pytest.raises(ValueError, match="a fault"):
            await faults.guard(KEY, fails)
    before = (await shop.get(BACKUPS, "shop", "first"))["status"]
    assert stalled(before) == ("True", "OperatorFault")
    assert len(before["conditions"]) == 7
    await faults.guard(KEY, goes_on)
    assert stalled((await shop.get(BACKUPS, "shop", "first"))["status"]) == ("False", "Recovered")
    assert cache.whole(BACKUPS, "shop", "first") is None


def stalled(status: Body) -> tuple[str, str]:
    (found,) = [each for each in status["conditions"] if each["type"] == "Stalled"]
    return found["status"], found["reason"]


def test_a_settled_backup_takes_a_fraction_of_its_object(settled_backup: Body) -> None:
    many, cache = 300, Cache()
    texts = []
    for number in range(many):
        meta = settled_backup["metadata"] | {"name": f"first-{number}", "uid": f"{UID}-{number}"}
        status = settled_backup["status"] | {"backupID": f"backup-{number}", "jobName": f"first-{number}-backup"}
        texts.append(json.dumps(settled_backup | {"metadata": meta, "status": status}))
    tracemalloc.start()
    for text in texts:
        cache.put(BACKUPS, json.loads(text))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cache.backups.all()) == many
    assert held / many < 4096
