"""What RDS makes from a snapshot: asked for, looked at, and known by a tag with the restore's uid.

Nothing that is there is changed, and nothing is deleted: what does not carry the tag is somebody else's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.api.aws import Word
from holdfast.api.rds import InstanceKind
from holdfast.api.rds_target import RDSTarget
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.rds.answers import Answer, Reading
from holdfast.runner.rds.client import Rds, Said, Taken, listed

_PRIVATE: dict[str, object] = {"PubliclyAccessible": False}


@dataclass(frozen=True)
class Target:
    """An instance or a cluster, as RDS describes it now."""

    status: str
    arn: str
    address: str | None  # none before it is available
    port: int | None
    engine: str
    engine_version: str
    tags: dict[str, str] = field(default_factory=dict)


def look(rds: Rds) -> Target | None:
    """Describe the instance or cluster that `rds` is about; None where there is none."""
    words = rds.words
    try:
        answer = rds.call(
            f"Describe{words.instances}",
            {words.instance_id: rds.instance.identifier},
            f"{words.instances[:-1]}NotFound",
        )
    except Said:
        return None
    if answer.get(words.instances) == []:
        return None
    found = Reading(answer, rds.who).only(words.instances)
    arn = found.word(f"{words.instances[:-1]}Arn", Word.INSTANCE_ARN)
    if arn.rpartition(":")[2].lower() != rds.instance.identifier.lower() or f":rds:{rds.region}:" not in arn:
        raise found.strange(f"{words.instances[:-1]}Arn", arn)
    address, port = _endpoint(rds, found)
    return Target(
        status=found.word(words.instance_status, Word.STATE),
        arn=arn,
        address=address,
        port=port,
        engine=found.word("Engine", Word.ENGINE),
        engine_version=found.word("EngineVersion", Word.VERSION),
        tags=found.tags(),
    )


def _endpoint(rds: Rds, found: Reading) -> tuple[str | None, int | None]:
    """Return where it is reached: of an instance they are a part, of a cluster they stand alone."""
    if rds.instance.kind is InstanceKind.CLUSTER:
        return found.word_if_any("Endpoint", Word.ADDRESS), found.number("Port", 65535)
    said = found.answer.get("Endpoint") or {}
    if not isinstance(said, Mapping):
        raise found.strange("Endpoint", said)
    within = Reading(said, found.who)
    return within.word_if_any("Address", Word.ADDRESS), within.number("Port", 65535)


def restore(rds: Rds, taken: Taken, wanted: RDSTarget, tags: Mapping[str, str]) -> bool:
    """Ask for it from the snapshot; False where one of that name exists. Raises BackupNotFound, and what AWS says.

    It gets no public address: by itself, RDS gives it one wherever its subnets have an internet gateway.
    """
    words = rds.words
    parameters: Answer
    if rds.instance.kind is InstanceKind.CLUSTER:
        operation = "RestoreDBClusterFromSnapshot"
        parameters = {
            "SnapshotIdentifier": taken.identifier, "Engine": taken.engine, "EngineVersion": taken.engine_version,
            **_given(DBClusterParameterGroupName=wanted.parameter_group),
            **({} if is_aurora(taken.engine) else _given(DBClusterInstanceClass=wanted.instance_class) | _PRIVATE),
        }  # fmt: skip
    else:
        operation = "RestoreDBInstanceFromDBSnapshot"
        parameters = {
            "DBSnapshotIdentifier": taken.identifier,
            **_PRIVATE,
            **_given(DBInstanceClass=wanted.instance_class, DBParameterGroupName=wanted.parameter_group),
        }
    parameters = {
        words.instance_id: wanted.identifier, **parameters, **_given(DBSubnetGroupName=wanted.subnet_group),
        **({"VpcSecurityGroupIds": wanted.security_groups} if wanted.security_groups else {}),
        "Tags": listed({**(wanted.tags or {}), **tags}),
    }  # fmt: skip
    gone = f"{words.snapshot}NotFound"
    try:
        rds.call(operation, parameters, f"{words.instances[:-1]}AlreadyExists", gone)
    except Said as said:
        if said.code != gone:
            return False
        raise HoldfastError(
            Reason.BACKUP_NOT_FOUND,
            f"snapshot {taken.identifier} in {rds.region}, which the manifest names, does not exist any more",
            "find out in CloudTrail who deleted the snapshot, then restore another backup",
        ) from said
    return True


def add_member(rds: Rds, cluster: str, engine: str, wanted: RDSTarget, tags: Mapping[str, str]) -> bool:
    """Ask for the first instance of an Aurora cluster; False where one of that name exists."""
    parameters = {
        "DBInstanceIdentifier": rds.instance.identifier, "DBClusterIdentifier": cluster, "Engine": engine,
        **_given(DBInstanceClass=wanted.instance_class), **_PRIVATE, "Tags": listed({**(wanted.tags or {}), **tags}),
    }  # fmt: skip
    try:
        rds.call("CreateDBInstance", parameters, "DBInstanceAlreadyExists")
    except Said:
        return False
    return True


def is_aurora(engine: str) -> bool:
    """Whether a cluster of this engine is storage alone, whose instances are made by themselves."""
    return engine.startswith("aurora")


def _given(**words: str | None) -> dict[str, object]:
    return {name: word for name, word in words.items() if word is not None}
