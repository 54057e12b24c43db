"""What `status.restore` says of a snapshot: commands of AWS's own client, since RDS restores only into a new instance.

They run with the rights of whoever pastes them, and change nothing that is there: what is made is new, where the old
one was, in its subnets and behind its security groups.

What they are made of was said by an endpoint, and came by a report or a manifest. Whoever reads those asks for AWS's
own words; it is asked here again, since a status may be older than that: a word that is none becomes no command.
"""

import re
import shlex

from holdfast import naming
from holdfast.api.aws import strange_field
from holdfast.api.backup import Snapshot
from holdfast.api.rds import SAFE_ENDPOINT, RDSInstance
from holdfast.manifests import shell

_HEAD = """\
# Restores {identifier}, snapshot {arn}, into a new {kind}; {source} does not change.
# Set {variable} to the identifier of the new {kind} first."""
_REMEDY = (
    "Find out who answers as RDS (database.instance.endpoint) and who\n# writes to the bucket. If there is a snapshot, "
    f"AWS's console shows it by its tag {naming.TAG_BACKUP_ID}, and can restore it."
)


def restore_command(identifier: str, snapshot: Snapshot | None, instance: RDSInstance | None) -> str:
    """Write what to paste: it makes the new instance or cluster, and waits until that is available."""
    if snapshot is None:
        return shell.no_commands(identifier, "the record of its snapshot", _REMEDY)
    field = _strange(identifier, snapshot, instance)
    if field is not None:
        return shell.no_commands(identifier, f"{field} of its snapshot", _REMEDY)
    cluster = snapshot.kind == "cluster"
    variable = "NEW_CLUSTER" if cluster else "NEW_INSTANCE"
    lines = [
        _HEAD.format(
            identifier=identifier, arn=snapshot.arn, kind=snapshot.kind, source=snapshot.source, variable=variable
        )
    ]
    if snapshot.copy_in is not None:
        lines.append(f"# Its copy in {snapshot.copy_in.region}: {snapshot.copy_in.arn}")
    given = f'"${{{variable}:?set it to the identifier of the new {snapshot.kind}}}"'
    make = _of_cluster(snapshot, given) if cluster else _of_instance(snapshot, given)
    common = ["--region", shlex.quote(snapshot.region)]
    if instance is not None and instance.endpoint:
        common += ["--endpoint-url", shlex.quote(instance.endpoint)]
    commands = [" ".join(["aws rds", *words[:1], *common, *words[1:]]) for words in make]
    return "\n".join([*lines, " &&\n".join(commands)])


def _strange(identifier: str, snapshot: Snapshot, instance: RDSInstance | None) -> str | None:
    endpoint = instance.endpoint if instance else None
    if not re.fullmatch(shell.IDENTIFIER, identifier, re.ASCII):
        return "the backup's id"
    if endpoint is not None and not re.fullmatch(SAFE_ENDPOINT, endpoint, re.ASCII):
        return "the endpoint"  # of the policy
    return strange_field(snapshot)


def _of_instance(snapshot: Snapshot, given: str) -> list[list[str]]:
    make = [
        "restore-db-instance-from-db-snapshot", f"--db-snapshot-identifier {_name(snapshot)}",
        f"--db-instance-identifier {given}", *_placed(snapshot), *_classed("--db-instance-class", snapshot),
    ]  # fmt: skip
    return [make, ["wait db-instance-available", '--db-instance-identifier "$NEW_INSTANCE"']]


def _of_cluster(snapshot: Snapshot, given: str) -> list[list[str]]:
    """A Multi-AZ cluster has its instances' class; of Aurora's, each instance is made by itself."""
    engine = shlex.quote(snapshot.engine)
    make = [
        "restore-db-cluster-from-snapshot", f"--snapshot-identifier {_name(snapshot)}",
        f"--db-cluster-identifier {given}", f"--engine {engine}",
        f"--engine-version {shlex.quote(snapshot.engine_version)}", *_placed(snapshot),
        *_classed("--db-cluster-instance-class", snapshot),
    ]  # fmt: skip
    wait = ["wait db-cluster-available", '--db-cluster-identifier "$NEW_CLUSTER"']
    if snapshot.instance_class:
        return [make, wait]
    member = [
        "create-db-instance", '--db-cluster-identifier "$NEW_CLUSTER"', '--db-instance-identifier "$NEW_CLUSTER-1"',
        f"--engine {engine}", '--db-instance-class "${INSTANCE_CLASS:?set it to the class of its first instance}"',
    ]  # fmt: skip
    return [make, wait, member]


def _name(snapshot: Snapshot) -> str:
    return shlex.quote(snapshot.arn.rsplit(":", 1)[-1])  # the word of an ARN has one


def _placed(snapshot: Snapshot) -> list[str]:
    group, walls = snapshot.subnet_group, snapshot.security_groups
    return [
        *([f"--db-subnet-group-name {shlex.quote(group)}"] if group else []),
        *([f"--vpc-security-group-ids {shlex.join(walls)}"] if walls else []),
    ]


def _classed(option: str, snapshot: Snapshot) -> list[str]:
    return [f"{option} {shlex.quote(snapshot.instance_class)}"] if snapshot.instance_class else []
