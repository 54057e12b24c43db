"""The restore of a snapshot without AWS and in milliseconds: asked for once, waited for, and nobody else's touched."""

import json
from typing import Any

import pytest
from tests.fake_rds import FakeRDS
from tests.unit.test_runner_rds import HERE, NAME, PREFIX, QUICK, S3, UID, Pod, pod  # noqa: F401 - the fixture

from holdfast.api.rds_target import RDSTarget
from holdfast.contract.task import RestoreIdentity, SnapshotRestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.rds import restore

OURS = [{"Key": "app.kubernetes.io/managed-by", "Value": "holdfast"},
        {"Key": "holdfast.dev/restore-uid", "Value": "r-1"}]  # fmt: skip


@pytest.fixture
def aws(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> FakeRDS:  # noqa: F811
    """An account with a good snapshot."""
    monkeypatch.setattr("holdfast.runner.rds.restore.connect", pod.aws.connect)
    pod.backup()
    pod.aws.calls.clear()
    return pod.aws


def run(pod: Pod, **changes: Any) -> Any:  # noqa: F811
    given = {
        "backup_uid": UID, "restore": RestoreIdentity(uid="r-1", namespace="shop", name="back"),
        "instance": pod.instance, "snapshot_arn": f"arn:aws:rds:{HERE}:123456789012:snapshot:{NAME}",
        "target": RDSTarget(identifier="new", instance_class="db.t4g.medium"), "s3": S3, "key_prefix": PREFIX,
        "deadline_seconds": 60,
    }  # fmt: skip
    return restore.run(SnapshotRestoreTask(**(given | changes)), pod.context(), QUICK)


def fails(pod: Pod, **changes: Any) -> HoldfastError:  # noqa: F811
    with pytest.raises(HoldfastError) as caught:
        run(pod, **changes)
    return caught.value


def test_it_is_asked_for_once_with_its_tag_and_told_with_its_address(pod: Pod, aws: FakeRDS):  # noqa: F811
    result = run(pod)
    made = result.restore.instance
    assert (made.address, made.port) == ("new.x.eu-central-1.rds.amazonaws.com", 5432)
    assert result.message.endswith("at new.x.eu-central-1.rds.amazonaws.com:5432")
    assert aws.operations("Restore") == ["RestoreDBInstanceFromDBSnapshot"]
    assert all(tag in aws.instances["new"]["TagList"] for tag in OURS)
    assert run(pod).restore.instance == made
    assert aws.operations("Restore") == ["RestoreDBInstanceFromDBSnapshot"]


@pytest.mark.parametrize("tags", [OURS[:1], OURS[1:], [OURS[0], {**OURS[1], "Value": "r-2"}]])
def test_one_without_our_tag_is_left_alone(pod: Pod, aws: FakeRDS, tags: Any):  # noqa: F811
    aws.new_instance("new", HERE, tags)
    assert fails(pod).reason is Reason.INSTANCE_ALREADY_EXISTS
    assert aws.operations("Restore") == []


@pytest.mark.parametrize(
    ("facts", "reason", "says"),
    [
        pytest.param(
            {"DBInstanceStatus": "incompatible-parameters"}, Reason.RESTORE_FAILED, "is incompatible", id="bad"
        ),
        pytest.param({"Engine": "mysql"}, Reason.RESTORE_DIFFERS, "has the engine mysql", id="another engine"),
        pytest.param({"Endpoint": None}, Reason.RESTORE_FAILED, "names no address", id="no address"),
    ],
)
def test_one_that_is_not_what_was_asked_for_is_a_failure_and_stays(
    pod: Pod,  # noqa: F811
    aws: FakeRDS,
    facts: Any,
    reason: Reason,
    says: str,
):
    aws.new_instance("new", HERE, OURS)
    aws.instances["new"] |= facts
    error = fails(pod)
    assert error.reason is reason
    assert says in error.message
    assert "new" in aws.instances


def test_one_that_vanishes_while_it_is_waited_for_is_not_made_again(pod: Pod, aws: FakeRDS):  # noqa: F811
    looks = iter([{"DBInstanceStatus": "creating"}])

    def answer(asked: Any) -> Any:
        if asked["DBInstanceIdentifier"] != "new" or "new" not in aws.instances:
            return None
        look = next(looks, None)
        return {"DBInstances": [aws.instances["new"] | look]} if look else "DBInstanceNotFound"

    aws.says["DescribeDBInstances"] = answer
    error = fails(pod)
    assert (error.reason, "somebody deleted it" in error.message) == (Reason.RESTORE_FAILED, True)
    assert aws.operations("Restore") == ["RestoreDBInstanceFromDBSnapshot"]


def test_a_snapshot_that_another_backup_took_is_not_restored(pod: Pod, aws: FakeRDS):  # noqa: F811
    aws.snapshots[HERE, NAME]["TagList"] = []
    assert fails(pod).reason is Reason.BACKUP_NOT_FOUND
    assert aws.operations("Restore") == []


def test_each_look_is_a_line_of_the_log(pod: Pod, aws: FakeRDS):  # noqa: F811
    run(pod)
    lines = [json.loads(line) for line in pod.log.getvalue().splitlines()]
    assert [line["status"] for line in lines if line.get("phase") == "restoring" and "status" in line] == ["available"]
    assert aws.operations("Delete") == []
