"""What restores a snapshot where there is no operator: commands of AWS's own client (process/paste.py).

They run with the rights of whoever pastes them, and change nothing that is there: what is made is new. In the
snapshot's own region it is made where the old one was, in its subnets and behind its security groups; in that of its
copy, whoever pastes them names both.

What they are made of was said by an endpoint, and came by a report or a manifest. Whoever reads those asks for AWS's
own words; it is asked here again, since a status may be older than that: a word that is none becomes no command.
"""

import re
import shlex

from holdfast import naming
from holdfast.api.aws import strange_field
from holdfast.api.backup import Snapshot, SnapshotInRegion
from holdfast.api.rds import SAFE_ENDPOINT, RDSInstance
from holdfast.manifests import shell

_HEAD = """\
# Restores {identifier}, snapshot {arn}, into a new {kind}; {source} does not change.
# Set {variable} to the identifier of the new {kind} first."""
_ELSEWHERE = """\
# Set SUBNET_GROUP, and SECURITY_GROUPS (their ids, with spaces between them), to those of {region}, too."""
_PRIVATE = "--no-publicly-accessible"  # RDS gives it a public address wherever its subnets have a gateway
REMEDY = (
    "Find out who answers as RDS (database.instance.endpoint) and who\n# writes to the bucket. If there is a snapshot, "
    f"AWS's console shows it by its tag {naming.TAG_BACKUP_ID}, and can restore it."
)


def restore_command(
    identifier: str, snapshot: Snapshot | None, instance: RDSInstance | None, elsewhere: bool = False
) -> str:
    """Write what to paste: it makes the new instance or cluster, and waits until that is available.

    `elsewhere`: from the snapshot's copy, which must be there.
    """
    field = unfit(identifier, snapshot, instance)
    if snapshot is None or field is not None:
        return shell.no_commands(identifier, field or "", REMEDY)
    lies = snapshot.copy_in if elsewhere else snapshot
    assert lies is not None
    cluster = snapshot.kind == "cluster"
    variable = "NEW_CLUSTER" if cluster else "NEW_INSTANCE"
    lines = [
        _HEAD.format(identifier=identifier, arn=lies.arn, kind=snapshot.kind, source=snapshot.source, variable=variable)
    ]
    if elsewhere:
        lines.append(_ELSEWHERE.format(region=lies.region))
    elif snapshot.copy_in is not None:
        lines.append(f"# Its copy in {snapshot.copy_in.region}: {snapshot.copy_in.arn}")
    given = f'"${{{variable}:?set it to the identifier of the new {snapshot.kind}}}"'
    make = _of_cluster(snapshot, lies, given) if cluster else _of_instance(snapshot, lies, given)
    common = ["--region", shlex.quote(lies.region)]
    if instance is not None and instance.endpoint:
        common += ["--endpoint-url", shlex.quote(instance.endpoint)]
    commands = [" ".join(["aws rds", *words[:1], *common, *words[1:]]) for words in make]
    return "\n".join([*lines, " &&\n".join(commands)])


def unfit(identifier: str, snapshot: Snapshot | None, instance: RDSInstance | None) -> str | None:
    """Name what is no word of AWS's, and so is pasted or applied by nobody; None where all of it fits."""
    endpoint = instance.endpoint if instance else None
    if snapshot is None:
        return "the record of its snapshot"
    if not is_known(identifier):
        return "the backup's id"
    if endpoint is not None and not re.fullmatch(SAFE_ENDPOINT, endpoint, re.ASCII):
        return "the endpoint of its snapshot"  # of the policy
    field = strange_field(snapshot)
    return f"{field} of its snapshot" if field is not None else None


def is_known(identifier: str) -> bool:
    """Whether it is the id of a backup."""
    return re.fullmatch(shell.IDENTIFIER, identifier, re.ASCII) is not None


def _of_instance(snapshot: Snapshot, lies: SnapshotInRegion, given: str) -> list[list[str]]:
    make = [
        "restore-db-instance-from-db-snapshot", f"--db-snapshot-identifier {_name(lies)}",
        f"--db-instance-identifier {given}", *_placed(snapshot, lies), *_classed("--db-instance-class", snapshot),
        _PRIVATE,
    ]  # fmt: skip
    return [make, ["wait db-instance-available", '--db-instance-identifier "$NEW_INSTANCE"']]


def _of_cluster(snapshot: Snapshot, lies: SnapshotInRegion, given: str) -> list[list[str]]:
    """A Multi-AZ cluster has its instances' class; of Aurora's, each instance is made by itself."""
    engine = shlex.quote(snapshot.engine)
    make = [
        "restore-db-cluster-from-snapshot", f"--snapshot-identifier {_name(lies)}",
        f"--db-cluster-identifier {given}", f"--engine {engine}",
        f"--engine-version {shlex.quote(snapshot.engine_version)}", *_placed(snapshot, lies),
        *_classed("--db-cluster-instance-class", snapshot), *([_PRIVATE] if snapshot.instance_class else []),
    ]  # fmt: skip
    wait = ["wait db-cluster-available", '--db-cluster-identifier "$NEW_CLUSTER"']
    if snapshot.instance_class:
        return [make, wait]
    member = [
        "create-db-instance", '--db-cluster-identifier "$NEW_CLUSTER"', '--db-instance-identifier "$NEW_CLUSTER-1"',
        f"--engine {engine}", '--db-instance-class "${INSTANCE_CLASS:?set it to the class of its first instance}"',
        _PRIVATE,
    ]  # fmt: skip
    return [make, wait, member]


def _name(lies: SnapshotInRegion) -> str:
    return shlex.quote(lies.arn.rsplit(":", 1)[-1])  # the word of an ARN has one


def _placed(snapshot: Snapshot, lies: SnapshotInRegion) -> list[str]:
    if lies.region != snapshot.region:
        return [
            '--db-subnet-group-name "${SUBNET_GROUP:?set it to a subnet group of that region}"',
            "--vpc-security-group-ids ${SECURITY_GROUPS:?set it to security groups of that region}",
        ]
    group, walls = snapshot.subnet_group, snapshot.security_groups
    return [
        *([f"--db-subnet-group-name {shlex.quote(group)}"] if group else []),
        *([f"--vpc-security-group-ids {shlex.join(walls)}"] if walls else []),
    ]


def _classed(option: str, snapshot: Snapshot) -> list[str]:
    return [f"{option} {shlex.quote(snapshot.instance_class)}"] if snapshot.instance_class else []
