"""What the restore of a snapshot is fixed to be: which instance is made, of which snapshot, and by whose right."""

from typing import Any

import pytest
from tests.builders import a_begun_backup, a_policy, an_rds_policy, as_begun, settings

from holdfast.api.backup import Phase, Snapshot, SnapshotInRegion
from holdfast.api.database import Database
from holdfast.api.policy import Environment
from holdfast.api.rds import RDSInstance
from holdfast.api.rds_target import RDSTarget
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_source import BucketSource
from holdfast.api.restore_status import Chosen, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.api.storage import S3Storage
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import snapshots
from holdfast.decide.restore.source import Choice
from holdfast.decide.restore.stored import Fixed
from holdfast.errors import HoldfastError, Reason

ARN = "arn:aws:rds:eu-central-1:123456789012:snapshot:holdfast-1"
SNAPSHOT = Snapshot(
    arn=ARN, region="eu-central-1", kind="instance", source="orders", engine="postgres", engine_version="17.4",
    encrypted=True, instance_class="db.t4g.medium", subnet_group="shop", security_groups=["sg-1"],
)  # fmt: skip
COPY = SnapshotInRegion(arn=ARN.replace("central", "west"), region="eu-west-1")
COPIED = SNAPSHOT.model_copy(update={"copy_in": COPY})
OF_A_CLUSTER = SNAPSHOT.model_copy(update={"kind": "cluster", "instance_class": None})
RIGHTS = {"secretName": "aws", "secretKeys": {"accessKeyID": "id"}, "endpoint": "https://rds.example.com"}
OWN = {"secretName": "mine", "secretKeys": {"accessKeyID": "key"}, "endpoint": "https://mine.example.com"}
FOUND = {"identifier": "New", "region": "eu-central-1", "kind": "instance"}
AS_IT_WAS = FOUND | {"instanceClass": "db.t4g.medium", "subnetGroup": "shop", "securityGroups": ["sg-1"]}
WEST = {"region": "eu-west-1", "subnetGroup": "west", "securityGroups": ["sg-7"]}
WAIVED = {"maskingWaived": "they are made up"}


def fixed(snapshot: Snapshot = SNAPSHOT, rds: Any = None, rights: Any = None, **spec: Any) -> Fixed:
    """What the restore of a backup of instance `orders`, of production, is fixed to be."""
    policy = an_rds_policy(kind=snapshot.kind, **(RIGHTS if rights is None else rights))
    begun = a_begun_backup(inline=policy, phase=Phase.SUCCEEDED, snapshot=snapshot)
    target = spec.pop("target", {"rds": {"identifier": "New"} | (rds or {})})
    read = DatabaseRestoreSpec.model_validate({"source": {"backupRef": {"name": "first"}}, "target": target} | spec)
    return snapshots.of_backup(read, Choice("first", "it is named"), as_begun(begun.status))


def test_what_a_restore_leaves_open_is_as_it_was_and_done_by_the_right_that_took_the_backup():
    was = resolve(an_rds_policy(**RIGHTS), settings())
    told = fixed()
    assert told.target == "RDS instance New in eu-central-1"
    assert told.resolved == ResolvedRestore(
        s3=was.storage.s3,
        folder=f"eu-1/shop/orders-1/{told.source.backup_id}/",
        database=Database(instance=RDSInstance.model_validate(FOUND | RIGHTS)),
        rds=RDSTarget.model_validate(AS_IT_WAS),
        snapshot_arn=ARN,
        mode=RestoreMode.REFUSE,
        job=was.job,
        environment=Environment.PRODUCTION,
        environment_because="the backup says that the target is of production",
        source_environment=Environment.PRODUCTION,
        never_unmasked_of=[],
    )


def test_what_a_restore_says_wins():
    said = OWN | {"instanceClass": "db.r6g.large", "subnetGroup": "other", "securityGroups": ["sg-2"]}
    told = fixed(
        target={"rds": {"identifier": "New"} | said, "environment": "staging"}, job={"activeDeadlineSeconds": 77}
    )
    assert told.resolved.rds == RDSTarget.model_validate(FOUND | said)
    assert told.resolved.database == Database(instance=RDSInstance.model_validate(FOUND | OWN))
    assert told.resolved.job.active_deadline_seconds == 77
    assert told.resolved.environment is Environment.STAGING
    assert told.resolved.environment_because == "spec.target says that the target is of staging"
    assert told.resolved.never_unmasked_of == [Environment.PRODUCTION]


@pytest.mark.parametrize(
    ("rights", "asked", "made"),
    [
        pytest.param({}, {}, {}, id="nobody's Secret, so that of the Job's ServiceAccount"),
        pytest.param({}, OWN, OWN, id="the restore's, where the backup had none"),
        pytest.param(RIGHTS, {"secretName": "mine"}, RIGHTS | {"secretName": "mine", "secretKeys": None},
                     id="the restore's Secret by its usual keys, at the backup's endpoint"),
        pytest.param(RIGHTS, {"endpoint": OWN["endpoint"]}, RIGHTS | {"endpoint": OWN["endpoint"]},
                     id="the backup's, at the restore's endpoint"),
    ],
)  # fmt: skip
def test_rds_is_asked_with_the_rights_of(rights: dict[str, Any], asked: dict[str, Any], made: dict[str, Any]):
    told = fixed(rds=asked, rights=rights).resolved
    assert told.database == Database(instance=RDSInstance.model_validate(FOUND | made))


@pytest.mark.parametrize(
    ("snapshot", "rds", "region", "arn"),
    [
        pytest.param(SNAPSHOT, {}, "eu-central-1", ARN, id="where it is"),
        pytest.param(COPIED, {}, "eu-central-1", ARN, id="where it is, though there is a copy"),
        pytest.param(COPIED, {"region": "eu-central-1"}, "eu-central-1", ARN, id="where it is, as is asked for"),
        pytest.param(COPIED, WEST, "eu-west-1", COPY.arn, id="of the copy in the region that is asked for"),
        pytest.param(COPIED, WEST | {"identifier": "orders"}, "eu-west-1", COPY.arn,
                     id="of the copy, where the source's own name is free"),
    ],
)  # fmt: skip
def test_the_snapshot_is_taken(snapshot: Snapshot, rds: Any, region: str, arn: str):
    told = fixed(snapshot, rds).resolved
    assert told.rds is not None
    assert (told.snapshot_arn, told.rds.region, told.database.snapshotted().region) == (arn, region, region)


@pytest.mark.parametrize(
    ("snapshot", "wanted", "made"),
    [
        pytest.param(SNAPSHOT.model_copy(update={"instance_class": None}), {}, {"kind": "instance"},
                     id="an instance whose class nobody knows: RDS chooses one"),
        pytest.param(SNAPSHOT.model_copy(update={"security_groups": []}), {},
                     {"kind": "instance", "instanceClass": "db.t4g.medium", "securityGroups": None},
                     id="an instance of no security group"),
        pytest.param(OF_A_CLUSTER, {"instanceClass": "db.r6g.large"},
                     {"kind": "cluster", "instanceClass": "db.r6g.large"}, id="a cluster of the class that is given"),
    ],
)  # fmt: skip
def test_what_is_made_is(snapshot: Snapshot, wanted: Any, made: dict[str, Any]):
    known = FOUND | {"subnetGroup": "shop", "securityGroups": ["sg-1"]}
    assert fixed(snapshot, wanted).resolved.rds == RDSTarget.model_validate(known | made)


NOT_IN_WEST = (
    "the subnet group and the security groups of orders exist only in eu-central-1, and the restore is into eu-west-1",
    (
        "set target.rds.subnetGroup and target.rds.securityGroups to those of eu-west-1; then create another "
        "DatabaseRestore"
    ),
)
NEEDS_A_NAME = (
    "DatabaseBackup first is a snapshot of RDS, from which a new instance or cluster is made",
    "set target.rds.identifier to the name of the new one; then create another DatabaseRestore",
)


def no_meaning(field: str) -> tuple[str, str]:
    return (
        f"a snapshot of RDS is restored as a whole, and {field} has no meaning for it",
        "leave it out; then create another DatabaseRestore",
    )


@pytest.mark.parametrize(
    ("snapshot", "spec", "says"),
    [
        pytest.param(SNAPSHOT, {"target": None}, NEEDS_A_NAME, id="no target"),
        pytest.param(SNAPSHOT, {"target": {"policyRef": {"name": "other"}}}, NEEDS_A_NAME, id="a policy's database"),
        pytest.param(SNAPSHOT, {"mode": "Replace"}, no_meaning("mode"), id="a mode"),
        pytest.param(SNAPSHOT, {"options": {"jobs": 2}}, no_meaning("options"), id="options"),
        pytest.param(SNAPSHOT, {"afterRestore": {"sqlConfigMapName": "a"}}, no_meaning("afterRestore"), id="SQL"),
        pytest.param(
            SNAPSHOT, {"rds": {"identifier": "ORDERS"}},
            (("target.rds.identifier is that of the instance that the snapshot was taken of, and RDS restores only "
              "into a new one"),
             "set target.rds.identifier to a name that is free; then create another DatabaseRestore"),
            id="the source itself",
        ),
        pytest.param(
            OF_A_CLUSTER, {},
            ("the snapshot is of an Aurora cluster, and does not say of which class the instances were",
             "set target.rds.instanceClass; then create another DatabaseRestore"), id="a cluster of no class",
        ),
        pytest.param(
            SNAPSHOT, {"rds": WEST},
            ("target.rds.region is eu-west-1, but the snapshot is in eu-central-1",
             ("set target.rds.region to a region where the snapshot or its copy is, or leave it out; then create "
             "another DatabaseRestore")), id="a region without a copy",
        ),
        pytest.param(
            COPIED, {"rds": WEST | {"region": "us-east-1"}},
            ("target.rds.region is us-east-1, but the snapshot is in eu-central-1 and eu-west-1",
             ("set target.rds.region to a region where the snapshot or its copy is, or leave it out; then create "
             "another DatabaseRestore")), id="a region where the copy is not",
        ),
        pytest.param(COPIED, {"rds": WEST | {"subnetGroup": None}}, NOT_IN_WEST, id="no subnet group over there"),
        pytest.param(COPIED, {"rds": WEST | {"securityGroups": None}}, NOT_IN_WEST, id="no security groups over there"),
        pytest.param(
            SNAPSHOT.model_copy(update={"subnet_group": "shop; rm"}), {},
            ("status.snapshot of DatabaseBackup first has a subnetGroup that AWS never writes there",
             "find out who writes statuses in this namespace"), id="a status that AWS's words are not in",
        ),
    ],
)  # fmt: skip
def test_a_snapshot_is_not_restored_with(snapshot: Snapshot, spec: dict[str, Any], says: tuple[str, str]):
    with pytest.raises(HoldfastError) as refused:
        fixed(snapshot, **spec)
    assert (refused.value.reason, refused.value.message, refused.value.remedy) == (Reason.INVALID_SPEC, *says)


# a folder of a bucket, of which nothing is known here

FOLDER = "eu-1/shop/orders/backup-20261122-084500"


def from_a_folder(rds: Any, says: Environment | None = None, **spec: Any) -> Fixed:
    source = {"bucket": {"s3": {"bucket": "archive"}, "folder": FOLDER}}
    read = DatabaseRestoreSpec.model_validate({"source": source, "target": {"rds": rds}} | spec)
    bucket = BucketSource.model_validate(source["bucket"])
    return snapshots.of_bucket(read, bucket, RDSTarget.model_validate(rds), says, settings())


def test_of_a_folder_all_that_is_made_is_as_the_restore_says():
    filled = resolve(an_rds_policy(), settings())
    told = from_a_folder(AS_IT_WAS | OWN, job={"activeDeadlineSeconds": 77})
    assert told.target == "RDS instance New in eu-central-1"
    assert told.source == Chosen(
        backup_id="backup-20261122-084500", location=f"s3://archive/{FOLDER}/", because="the resource names this folder"
    )
    assert told.resolved == ResolvedRestore(
        s3=S3Storage.model_validate(filled.storage.s3.to_dict() | {"bucket": "archive", "prefix": None}),
        folder=f"{FOLDER}/",
        database=Database(instance=RDSInstance.model_validate(FOUND | OWN)),
        rds=RDSTarget.model_validate(AS_IT_WAS | OWN),
        mode=RestoreMode.REFUSE,
        job=filled.job.model_copy(update={"active_deadline_seconds": 77}),
        never_unmasked_of=[Environment.PRODUCTION],
    )


@pytest.mark.parametrize(
    ("given", "kind"), [({"kind": None}, "instance"), ({"kind": "cluster"}, "cluster")], ids=["an instance", "as said"]
)
def test_the_kind_of_what_a_folder_is_of_is(given: Any, kind: str):
    told = from_a_folder(AS_IT_WAS | given)
    assert told.target == f"RDS {kind} New in eu-central-1"
    assert told.resolved.rds == RDSTarget.model_validate(AS_IT_WAS | {"kind": kind})


@pytest.mark.parametrize(
    ("says", "asked", "spec", "never"),
    [
        pytest.param(Environment.PRODUCTION, True, {}, [], id="production"),
        pytest.param(Environment.DEV, True, {}, [Environment.STAGING, Environment.PRODUCTION], id="dev"),
        pytest.param(Environment.DEV, True, WAIVED, [], id="dev, with a reason why nothing is masked"),
        pytest.param(None, False, {}, [Environment.PRODUCTION], id="nobody says what"),
    ],
)  # fmt: skip
def test_what_a_new_instance_is_for_is_as_the_resource_says(says: Any, asked: bool, spec: Any, never: Any):
    told = from_a_folder(AS_IT_WAS, says, **spec).resolved
    because = f"spec.target says that the target is of {says}" if asked else None
    assert (told.environment, told.environment_because, told.never_unmasked_of) == (says, because, never)


# whose image it is


def test_a_snapshot_is_restored_by_what_speaks_to_rds_and_a_dump_by_what_its_server_takes():
    told = settings(images={"aws": "runner-aws:1", "postgres-16": "runner:16", "postgres-17": "runner:17"})
    dump = ResolvedRestore(
        database=a_policy().database, mode=RestoreMode.REFUSE, job=resolve(a_policy(), settings()).job, server_major=16
    )
    assert snapshots.image(fixed().resolved, told) == ("aws", "runner-aws:1")
    assert snapshots.image(dump, told) == ("postgres-16", "runner:16")
    assert snapshots.image(dump.model_copy(update={"server_major": None}), told) == ("postgres-17", "runner:17")
