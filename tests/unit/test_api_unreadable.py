"""What is said of an object that the API server took and the operator cannot read: the field, and what helps."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from tests.builders import NOW, UID, policy_dict, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.reconciling import a_loop

from holdfast.api.backup import DatabaseBackupSpec
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.unreadable import explained
from holdfast.decide.policy import statuses
from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource

CORRECT = "correct it"
NEWER, OLDER = "upgrade the operator", "install the CustomResourceDefinitions of the operator's own release"
SAID: dict[str, tuple[dict[str, Any], str, str]] = {
    "a field of a newer release": (
        policy_dict(objectives={}), "spec has the field 'objectives', which this operator does not know", NEWER,
    ),
    "a field of a newer release, deeper": (
        policy_dict(storage={"s3": {"bucket": "backups", "mirror": 1}}),
        "spec.storage.s3 has the field 'mirror', which this operator does not know", NEWER,
    ),
    "a field that older definitions do not ask for": (
        {"database": {"engine": "sqlite"}}, "spec.environment is missing", OLDER,
    ),
    "a value of another form": (
        policy_dict(storage={"s3": {"bucket": "s3://b"}}),
        "spec.storage.s3.bucket: must be the name of a bucket: 3 to 63", CORRECT,
    ),
    "a word that there is not": (
        policy_dict(method="rsync"), "spec.method: Input should be 'dump' or 'aws-rds'", CORRECT,
    ),
    "an item of a list": (
        policy_dict(job={"tolerations": [{"key": "a"}, {"key": "a", "value": "b c"}]}),
        "spec.job.tolerations[1].value: must be the value of a label", CORRECT,
    ),
    "an amount": (
        policy_dict(job={"resources": {"limits": {"memory": "lots"}}}),
        "spec.job.resources.limits.memory: must be a Kubernetes quantity", CORRECT,
    ),
}  # fmt: skip


def refused(model: type[BaseModel], spec: dict[str, Any]) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(spec)
    return caught.value


@pytest.mark.parametrize(("spec", "sentence", "remedy"), SAID.values(), ids=SAID)
def test_the_field_is_named_and_the_remedy_is_of_its_kind(spec, sentence, remedy):
    said, todo = explained(refused(BackupPolicySpec, spec), BackupPolicySpec, "spec", CORRECT)
    assert said.startswith(sentence)
    assert todo.startswith(remedy)


def test_a_policy_within_a_backup_is_named_from_the_backup_on():
    spec = {"policy": policy_dict(storage={"s3": {"bucket": "B"}})}
    said, _ = explained(refused(DatabaseBackupSpec, spec), DatabaseBackupSpec, "spec", CORRECT)
    assert said.startswith("spec.policy.storage.s3.bucket: must be the name of a bucket")


def test_a_policy_that_cannot_be_read_is_stalled_and_says_why():
    spec = policy_dict(storage={"s3": {"bucket": "B"}})
    resource = Resource.of({"metadata": metadata("orders"), "spec": spec})
    stalled = next(
        c
        for c in statuses.status(
            statuses.spec_of(resource.spec), resource.status, resource.generation, settings(), NOW
        ).conditions
        if c.type == "Stalled"
    )
    assert (stalled.status, stalled.reason) == ("True", "InvalidSpec")
    assert "spec.storage.s3.bucket: must be the name of a bucket" in stalled.message
    assert stalled.message.endswith("correct the field in this policy")


def metadata(name: str) -> dict[str, Any]:
    return {"namespace": "shop", "name": name, "uid": UID, "resourceVersion": "1", "creationTimestamp": WHEN}


async def reconciled(spec: dict[str, Any], status: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    cluster, cache = FakeCluster(lambda *_: pytest.fail("no Job is to run")), Cache()
    cluster.put(POLICIES, {"metadata": metadata("orders"), "spec": policy})
    cluster.put(BACKUPS, {"metadata": metadata("first"), "spec": spec, "status": status})
    for kind in (POLICIES, BACKUPS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    loop = a_loop(cache, cluster, settings())
    for _ in range(2):  # what it wrote, it can read
        await loop.reconcile(Key(BACKUPS.kind, "shop", "first"))
    return (await cluster.get(BACKUPS, "shop", "first")).get("status", {})


REFERRING = {"policyRef": {"name": "orders"}}


@pytest.mark.parametrize(
    ("spec", "status", "policy", "sentence", "remedy"),
    [
        (REFERRING, {}, policy_dict(method="rsync"), "BackupPolicy orders: spec.method: Input", "correct the policy"),
        ({**REFERRING, "label": "A B"}, {}, policy_dict(), "spec.label: must be a DNS label", "create another backup"),
        (
            REFERRING,
            {"backupID": "backup-1", "phase": "Running", "resolved": policy_dict(method="rsync")},
            policy_dict(),
            "status.resolved.method: Input",
            "create another backup: another release",
        ),
        (
            REFERRING,
            {"phase": 7, "conditions": "none"},
            policy_dict(),
            "status.phase: Input",
            "create another backup: another release",
        ),
    ],
    ids=["policy", "backup", "what was resolved", "no status at all"],
)
async def test_a_backup_of_which_a_part_cannot_be_read_ends_in_a_sentence(spec, status, policy, sentence, remedy):
    ended = await reconciled(spec, status, policy)
    assert (ended["phase"], ended["failure"]["reason"]) == ("Failed", "InvalidSpec")
    assert ended["failure"]["message"].startswith(sentence)
    assert ended["failure"]["remedy"].startswith(remedy)
    assert ended.get("backupID") == status.get("backupID")


async def test_a_backup_that_has_ended_stays_as_it_is_however_little_of_it_can_be_read():
    status = {"phase": "Succeeded", "message": "38 MB in 6s", "resolved": policy_dict(method="rsync")}
    assert await reconciled(REFERRING, status, policy_dict()) == status


async def test_a_backup_that_is_being_ended_keeps_what_was_recorded_first():
    """However often it is looked at: a Job whose end began anew each time would be waited for without end."""
    ending = {"since": WHEN, "jobUID": "job-1"}
    failure = {"reason": "DumpFailed", "message": "m", "remedy": "r"}
    began = {"phase": "Running", "backupID": "backup-1", "resolved": policy_dict(method="rsync")}
    ended = await reconciled(REFERRING, {**began, "failure": failure, "ending": ending}, policy_dict())
    assert (ended["phase"], ended["failure"]) == ("Failed", failure)
