"""What a look at a backup brings beside what is decided: its place in the line, its claim, what it is compared with."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.builders import NOW, a_backup, a_begun_backup, a_pod, a_sqlite_policy, ago, observed, policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.reconciling import a_writer
from tests.unit.test_kinds_backup import BEGUN, a_body, a_cache, a_policy, good, moved

from holdfast import naming
from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.policy import BackupPolicySpec
from holdfast.decide.backup.observation import BACKUP, Observation
from holdfast.decide.decision import Learn, Rest, What, Write
from holdfast.decide.resolve import resolve
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import Verdict
from holdfast.kube.kinds import JOBS, PODS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import backup as backups
from holdfast.reconcile.plans import Plans
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Sight, Sources

INLINE = {"spec": {"policy": policy_dict()}}
BEGINS = Write(DatabaseBackupStatus.model_validate(BEGUN))
SECOND = a_body("b", created=NOW + timedelta(seconds=1)) | INLINE


def sighted(cache: Cache, body: dict[str, Any]) -> Sight:
    sources = Sources(cache, Plans(cache, settings(), lambda: NOW), a_writer(cache, FakeCluster(lambda *_: None)),
                      settings())  # fmt: skip
    return backups.look(sources, Resource.of(body), Known(), NOW)


def next_up(cache: Cache) -> list[str]:
    return [name for _, name in cache.line.next_up()]


def test_one_that_begins_takes_a_place_before_that_is_written() -> None:
    cache = a_cache(a_body() | INLINE, SECOND)
    backups._claim(cache, observed(a_backup()), BEGINS)
    assert next_up(cache) == []


@pytest.mark.parametrize(
    "decision", [Write(DatabaseBackupStatus(phase=Phase.QUEUED)), Rest()], ids=["it waits", "nothing is to be written"]
)
def test_one_that_does_not_begin_takes_no_place(decision: backups.Decision) -> None:
    cache = a_cache(a_body() | INLINE, SECOND)
    backups._claim(cache, observed(a_backup()), decision)
    assert next_up(cache) == ["orders-1"]


def test_one_that_runs_keeps_the_place_of_its_server_whatever_is_written_of_it() -> None:
    cache = a_cache(a_body(**BEGUN) | INLINE, SECOND)
    backups._claim(cache, observed(a_begun_backup()), BEGINS)
    assert next_up(cache) == []


def test_one_that_is_gone_takes_no_place() -> None:
    cache = a_cache(SECOND)
    backups._claim(cache, observed(a_backup()), BEGINS)
    assert next_up(cache) == ["b"]


def test_a_job_without_a_pod_is_looked_after_sooner_than_its_backup_is_given_up() -> None:
    body = a_body(**BEGUN)
    cache = a_cache(body)
    cache.put(JOBS, a_job_without_a_pod("2026-11-22T08:44:58Z"))
    assert sighted(cache, body).decision.due == NOW + timedelta(seconds=2)


def a_job_without_a_pod(created: str) -> dict[str, Any]:
    owner = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup", "name": "orders-1", "uid": "u-orders-1",
             "controller": True}  # fmt: skip
    meta = {"namespace": "shop", "name": BEGUN["jobName"], "uid": "j", "creationTimestamp": created,
            "ownerReferences": [owner]}  # fmt: skip
    return {"metadata": meta, "spec": {}}


def test_why_a_job_has_no_pod_is_asked_before_anything_is_decided_about_it() -> None:
    body = a_body(**BEGUN)
    cache = a_cache(body)
    cache.put(JOBS, a_job_without_a_pod("2026-11-22T08:44:55Z"))
    assert sighted(cache, body).decision.act == Learn(What.EVENTS)


UNREADABLE = {"attempt": "many"}
GOING = {"deletionTimestamp": "2026-11-22T08:44:00Z"}
HELD = {"finalizers": [naming.FINALIZER]}


@pytest.mark.parametrize("meta", [{}, HELD, GOING], ids=["nobody deletes it", "held", "deleted, and not held"])
def test_one_that_cannot_be_read_fails_while_nobody_deletes_it_or_nothing_holds_it(meta: dict[str, Any]) -> None:
    body = a_body(**BEGUN | UNREADABLE)
    body["metadata"] |= meta
    found = sighted(a_cache(body), body).decision
    assert found.status is not None
    assert "InvalidSpec" in str(found.status.to_dict())


def test_one_that_cannot_be_read_and_is_deleted_waits_for_somebody_who_can() -> None:
    body = a_body(**BEGUN | UNREADABLE)
    body["metadata"] |= HELD | GOING
    found = sighted(a_cache(body), body).decision
    assert (found.status, found.act, found.due is not None and found.due > NOW) == (None, None, True)


@pytest.mark.parametrize("restore", ["kubectl ...", None], ids=["with what restores it", "without"])
def test_of_a_success_that_cannot_be_read_nothing_is_written_that_would_lose_what_stands_there(
    restore: str | None,
) -> None:
    body = good("a", **UNREADABLE, **({"restore": restore} if restore else {}), created=ago(90_000))
    cache = a_cache(body, good("b", created=ago(80_000)))
    cache.put(POLICIES, a_policy(resourceVersion="1"))
    assert sighted(cache, body).decision == Rest()
    readable = {key: value for key, value in body["status"].items() if key != "attempt"}
    assert sighted(a_cache(body | {"status": readable}), body | {"status": readable}).decision != Rest()


PAGE = {"number": 1, "since": "2026-11-22T08:45:00Z", "jobName": "sweep",
        "members": [{"name": "orders-1", "uid": "u-orders-1"}]}  # fmt: skip


@pytest.mark.parametrize("sought", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_whether_it_may_go_and_is_to_be_looked_for_is_what_is_planned_now(kept: bool, sought: bool) -> None:
    cache = a_cache(a_body())
    cache.put(POLICIES, a_policy(resourceVersion="1") | {"status": {"retention": {"page": PAGE}}})
    asked: Any = SimpleNamespace(keeps=lambda it: kept, looks_for=lambda it: sought)
    sources: Any = SimpleNamespace(cache=cache, plans=asked)
    o = seen(cache, a_body())
    found = backups._with_plan(sources, o)
    assert o.removal is not None
    assert (found.removal, found.sought) == (replace(o.removal, kept=kept), sought)


@pytest.mark.parametrize(
    ("policy", "claim"),
    [(a_sqlite_policy(), "app-data"), (BackupPolicySpec.model_validate(policy_dict()), None)],
    ids=["a file on a claim", "a server"],
)
def test_the_claim_that_its_database_lies_on_is_seen(policy: BackupPolicySpec, claim: str | None) -> None:
    body = a_body(**BEGUN | {"resolved": resolve(policy, settings()).to_dict()})
    assert sighted(a_cache(body), body).claim_name == claim


def a_success(**changes: Any) -> Observation:
    status = {"phase": Phase.SUCCEEDED, "server_major": 17} | changes
    return observed(a_begun_backup(**status))


@pytest.mark.parametrize(
    "o",
    [
        pytest.param(a_success(restore="kubectl ..."), id="they are there"),
        pytest.param(a_success(phase=Phase.FAILED), id="it has failed"),
        pytest.param(a_success(job_name=None), id="it never had a Job"),
    ],
)
def test_commands_to_restore_it_are_not_written_where_there_are_none_to_write(o: Observation) -> None:
    assert backups._with_restore(o, Rest()) == Rest()


def test_commands_to_restore_it_come_with_its_success() -> None:
    found = backups._with_restore(a_success(), Rest())
    assert found.status is not None
    assert (found.status.phase, bool(found.status.restore)) == (Phase.SUCCEEDED, True)


KEPT = Verdict(Fact(name="orders-1", uid="u", created=NOW), True, ("days",), ("within 30 days",), NOW)


def test_why_it_is_kept_is_written_once_with_whatever_else_there_is_to_write() -> None:
    o = a_success()
    found = backups._with_verdict(o, Rest(due=NOW), KEPT)
    assert found.status is not None
    assert (found.status.kept_because, found.status.expires_at, found.due) == (["within 30 days"], NOW, NOW)
    with_its_end = backups._with_verdict(observed(a_begun_backup()), Write(o.backup.status), KEPT)
    assert with_its_end == Write(found.status)
    said = replace(o, backup=replace(o.backup, status=found.status))
    for seen, verdict in ((said, KEPT), (o, None), (a_success(phase=Phase.FAILED), KEPT)):
        assert backups._with_verdict(seen, Rest(due=NOW), verdict) == Rest(due=NOW)


def seen(cache: Cache, body: dict[str, Any]) -> Observation:
    o, not_read = backups.observe(cache, Resource.of(body), Known(), set(), NOW)
    assert not_read is None
    return o


def test_only_jobs_that_have_a_name_are_looked_for_and_one_that_is_gone_is_in_no_page() -> None:
    o = seen(Cache(), a_body(**BEGUN))
    assert (set(o.works), o.removal) == ({BACKUP}, None)


def test_since_when_others_are_known_is_asked_before_its_job_is_made() -> None:
    assert seen(a_cache(good("a", created=ago(900))), a_body(**BEGUN)).first_known == ago(900)


def test_the_servers_version_is_known_by_its_policy_or_by_what_it_says_itself() -> None:
    assert seen(a_cache(good("a")), a_body() | {"spec": {"policy": BEGUN["resolved"]}}).known_major == 17
    assert seen(a_cache(good("a")), a_body()).known_major is None
    cache = a_cache(good("a"))
    cache.put(POLICIES, a_policy(resourceVersion="1"))
    assert seen(cache, a_body()).known_major == 17


ENDED = [a_pod(exit_code=0)]


def compared(o: Observation, **resource: Any) -> list[str]:
    cache = a_cache(good("a"), good("b", **moved()), good("orders-1"), a_body("c", **BEGUN))
    return [former.backup_id for former in backups._former(cache, Resource.of(a_body(**BEGUN) | resource), o)]


@pytest.mark.parametrize("phase", [Phase.RUNNING, None], ids=["running", "no phase yet"])
def test_one_that_ends_is_compared_with_the_others_of_its_database_and_not_with_itself(phase: Phase | None) -> None:
    assert compared(observed(a_begun_backup(phase=phase), pods=[*ENDED, a_pod(phase="Running", uid="2")])) == ["id-a"]


@pytest.mark.parametrize(
    ("backup", "pods"),
    [
        (a_begun_backup(), [a_pod(phase="Running")]),
        (a_begun_backup(phase=Phase.SUCCEEDED), ENDED),
        (a_begun_backup(resolved=None), ENDED),
    ],
    ids=["it runs", "it has ended", "nothing says of which database it is"],
)
def test_one_that_does_not_end_now_is_compared_with_none(backup: Any, pods: Any) -> None:
    assert compared(observed(backup, pods=pods)) == []


def test_what_one_that_ends_is_compared_with_is_seen_with_it() -> None:
    cache, body = a_cache(good("a")), a_body(**BEGUN)
    labels = {"batch.kubernetes.io/job-name": BEGUN["jobName"]}
    cache.put(PODS, {
        "metadata": {"namespace": "shop", "name": "p", "uid": "p", "labels": labels},
        "status": {"containerStatuses": [{"name": "runner", "state": {"terminated": {"exitCode": 0}}}]},
    })  # fmt: skip
    assert [former.backup_id for former in seen(cache, body).former] == ["id-a"]


def test_one_that_is_complete_in_itself_is_compared_with_none() -> None:
    assert compared(observed(a_begun_backup(), pods=ENDED), **INLINE) == []
