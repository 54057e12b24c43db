"""Whatever stands in an object that the operator reads: it raises nowhere, takes little time, and touches no other."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from tests.builders import a_policy, policy_dict
from tests.fuzz import Json, mutated

from holdfast import naming
from holdfast.decide.backup.suspicion import former_of
from holdfast.decide.views import OwnerRef, claim_view, holders
from holdfast.handlers.watches import take
from holdfast.kube.kinds import BACKUPS, JOBS, PODS, POLICIES, Kind
from holdfast.process.metrics import BackupCollector
from holdfast.process.policy_metrics import PolicyCollector
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key
from holdfast.reconcile.refusals import PodRefusal

WHEN = "2026-11-22T08:45:00Z"
STRANGE = st.sampled_from(
    [
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z",
        "2026-11-22T08:45:00", "x" * 100_000, "1" * 5000, "²", "\ud800", "\u202etxt", "\x00", "\x1b[2J", "",
        10**400, -1, 1 << 63, 1.5, float("inf"), True, None, [], {}, [[]], {"": {}}, [None], "Succeeded", ["Succeeded"],
    ]
)  # fmt: skip


def meta(name: str, **rest: Any) -> dict[str, Any]:
    found = {
        "namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": "7", "generation": 1,
        "creationTimestamp": WHEN, "deletionTimestamp": WHEN, "annotations": {naming.ANNOTATION_VERIFY: "readback/1"},
        "ownerReferences": [{"uid": "uid-b", "controller": True}],
        "labels": {naming.LABEL_BACKUP_UID: "uid-b", "batch.kubernetes.io/job-name": "j"},
    }  # fmt: skip
    return found | rest


STATUS = {
    "phase": "Succeeded", "backupID": "backup-1", "completedAt": WHEN, "startedAt": WHEN, "sizeBytes": 82,
    "durationSeconds": 4.5, "serverMajor": 17, "tables": 3, "rows": 9, "schemaSha256": "a", "toolVersion": "pg_dump",
    "resolved": policy_dict(), "jobName": "j",
    "conditions": [{"type": "Suspicious", "status": "False", "reason": "AsUsual", "message": "m"}],
}  # fmt: skip
STATE = {
    "waiting": {"reason": "ErrImagePull", "message": "m"},
    "terminated": {"exitCode": 3, "reason": "Error", "message": "{}"},
}
OBJECTS: dict[Kind, dict[str, Any]] = {
    BACKUPS: {"metadata": meta("b"), "spec": {"policyRef": {"name": "orders"}}, "status": STATUS},
    POLICIES: {
        "metadata": meta("orders"), "spec": policy_dict(),
        "status": {
            "conditions": STATUS["conditions"], "nextRuns": [WHEN], "lastSuccess": {"name": "b", "completedAt": WHEN},
            "schedule": {"intervalSeconds": 60, "suspended": False, "missed": [{"reason": "TooLate", "count": 1}]},
        },
    },
    JOBS: {
        "metadata": meta("j"), "spec": {"ttlSecondsAfterFinished": 1},
        "status": {"failed": 1, "conditions": [{"type": "Failed", "status": "True", "reason": "r", "message": "m"}]},
    },
    PODS: {
        "metadata": meta("p"),
        "spec": {"nodeName": "n", "volumes": [{"persistentVolumeClaim": {"claimName": "app-data"}}]},
        "status": {
            "phase": "Failed", "reason": "Evicted", "message": "m",
            "containerStatuses": [{"name": "runner", "state": STATE, "restartCount": 1}],
            "conditions": [
                {"type": "DisruptionTarget", "status": "True", "reason": "r", "message": "m"},
                {"type": "PodScheduled", "status": "False", "reason": "r", "message": "m"},
            ],
        },
    },
}  # fmt: skip
AN_EVENT = {
    "metadata": meta("e"), "message": "exceeded quota", "lastTimestamp": WHEN, "eventTime": WHEN,
    "source": {"component": "job-controller"}, "reportingComponent": "job-controller",
    "involvedObject": {"kind": "Job", "namespace": "shop", "name": "j", "uid": "uid-j"},
}  # fmt: skip
KINDS = pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.kind)


class Queue:
    """Remembers what was added."""

    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key) -> None:
        self.added.append(key)


def bystanders() -> Iterator[tuple[Kind, dict[str, Any]]]:
    """Another tenant's backup with its policy, Job and Pod."""
    labels = {naming.LABEL_BACKUP_UID: "uid-other", "batch.kubernetes.io/job-name": "other"}
    for kind, body in OBJECTS.items():
        name = "orders" if kind == POLICIES else "other"
        yield kind, body | {"metadata": meta(name, namespace="calm", labels=labels)}


def a_cache() -> Cache:
    cache = Cache()
    for kind, body in [*bystanders(), *OBJECTS.items()]:
        cache.put(kind, body)
    return cache


def what_the_bystander_sees(cache: Cache) -> list[object]:
    backup, job = cache.backup("calm", "other"), cache.job("calm", "other")
    assert backup is not None
    assert job is not None
    good = cache.good_backups_of("calm", policy_dict()["database"])
    children = [
        cache.jobs_of("calm", OwnerRef("DatabaseBackup", backup.uid)),
        cache.pods_named("calm", "other"),
        cache.owner_of(job),
    ]
    return [backup, job, cache.policy("calm", "other"), good, *children]


def has_names(body: Any) -> bool:
    """Whether the object has what each object has, so that all else in it can be wrong and it is kept."""
    found = body.get("metadata") if isinstance(body, dict) else None
    names = [found.get(field) for field in ("namespace", "name", "uid")] if isinstance(found, dict) else [None]
    return all(isinstance(name, str) and 0 < len(name) <= 253 and is_whole(name) for name in names)


def is_whole(text: str) -> bool:
    """Whether no character of it is half of one, which cannot be written anywhere."""
    return text == text.encode(errors="ignore").decode()


def is_held(kind: Kind, body: Any, cache: Cache) -> bool:
    return (
        has_names(body) and cache.store(kind).get(body["metadata"]["namespace"], body["metadata"]["name"]) is not None
    )


@KINDS
@given(data=st.data())
def test_any_object_is_taken_and_no_other_is_touched(kind: Kind, data: st.DataObject) -> None:
    body = data.draw(mutated(OBJECTS[kind], STRANGE | Json))
    cache, queue = a_cache(), Queue()
    before, began = what_the_bystander_sees(cache), time.process_time()
    for type_ in ("DELETED", None, "MODIFIED"):
        take(kind, {"type": type_, "object": body}, cache, queue)
    assert is_held(kind, body, cache) == has_names(body)
    assert time.process_time() - began < 1
    assert what_the_bystander_sees(cache) == before
    assert all(key.namespace != "calm" for key in queue.added)


@KINDS
@given(data=st.data())
def test_whoever_reads_the_cache_gets_on_with_any_object(kind: Kind, data: st.DataObject) -> None:
    body = data.draw(mutated(OBJECTS[kind], STRANGE | Json))
    cache, registry = a_cache(), CollectorRegistry()
    take(kind, {"type": "MODIFIED", "object": body}, cache, Queue())
    registry.register(BackupCollector(cache))
    registry.register(PolicyCollector(cache))
    assert b'holdfast_backups{namespace="calm"' in generate_latest(registry)
    good = {"namespace": "calm", "policy": "orders"}
    assert registry.get_sample_value("holdfast_backup_last_size_bytes", good) == 82
    former_of(filter(None, (backup.former for backup in cache.backups.all())), a_policy())
    for child in [*cache.jobs.all(), *cache.pods.all()]:
        cache.owner_of(child)


@given(data=st.data())
def test_any_claim_and_any_pod_beside_it_can_be_looked_at(data: st.DataObject) -> None:
    claim = {"spec": {"accessModes": ["ReadWriteOnce"]}, "status": {"accessModes": ["ReadWriteOncePod"]}}
    bodies = [data.draw(mutated(body, STRANGE | Json)) for body in (claim, OBJECTS[PODS])]
    changed, pod = (body if isinstance(body, dict) else {} for body in bodies)
    view = claim_view(changed, holders("app-data", [pod, OBJECTS[PODS]]))
    assert all(isinstance(mode, str) for mode in view.access_modes or ())


@pytest.mark.parametrize("field", ["sizeBytes", "durationSeconds", "completedAt", "phase", "serverMajor", "resolved"])
@given(value=STRANGE | Json)
def test_figures_and_comparisons_get_on_with_any_status(field: str, value: Any) -> None:
    cache, registry = a_cache(), CollectorRegistry()
    take(BACKUPS, {"object": OBJECTS[BACKUPS] | {"status": STATUS | {field: value}}}, cache, Queue())
    registry.register(BackupCollector(cache))
    registry.register(PolicyCollector(cache))
    generate_latest(registry)
    former = former_of(filter(None, (backup.former for backup in cache.backups.all())), a_policy())
    assert "backup-1" in [one.backup_id for one in former]
    assert cache.good_backups_of("calm", policy_dict()["database"])


@given(data=st.data())
def test_any_event_is_a_refusal_or_none(data: st.DataObject) -> None:
    body = data.draw(mutated(AN_EVENT, STRANGE | Json))
    found = PodRefusal.of(body) if isinstance(body, dict) else None
    assert found is None or (len(found.message) <= 2048 and found.message.isprintable())
