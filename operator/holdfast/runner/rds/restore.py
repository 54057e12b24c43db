"""The restore of a snapshot: RDS makes a new instance or cluster from it, which is waited for until it is available.

The new one carries a tag with the restore's uid from the moment that it is asked for. So a second Pod of the same Job
finds it and waits on, and one of that name without the tag is left alone. After an error it stays: it may be what
somebody needs to find out why, and nothing of RDS's is ever deleted by a restore.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from holdfast import naming
from holdfast.api.rds import InstanceKind
from holdfast.api.rds_target import RestoredInstance
from holdfast.contract.report import RestoreReport
from holdfast.contract.snapshot import SnapshotManifest
from holdfast.contract.task import SnapshotRestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import Result
from holdfast.runner.rds import source, targets
from holdfast.runner.rds.client import Rds, connect
from holdfast.runner.rds.snapshots import Pace, patiently
from holdfast.runner.rds.targets import Target
from holdfast.runner.rds.task import BUSY, READY

# An instance leaves these by itself, too, while it is made.
ON_ITS_WAY = (*BUSY, "configuring-iam-database-auth", "migrating", "preparing-data-migration")
# It answers while RDS still fetches blocks of the snapshot, which may take hours.
USABLE = (*READY, "storage-initialization")
_ANOTHER = "create another DatabaseRestore"


@dataclass(frozen=True)
class _Work:
    """One run of the task."""

    task: SnapshotRestoreTask
    context: Context
    pace: Pace

    def about(self, identifier: str, kind: InstanceKind) -> Rds:
        """Return RDS, asked about what is to be made."""
        instance = self.task.instance.model_copy(update={"identifier": identifier, "kind": kind})
        return connect(instance, instance.region, self.context.places, restores=True)

    @property
    def tags(self) -> dict[str, str]:
        """What is made is known by these."""
        asks = self.task.restore
        return {
            naming.MANAGED_BY: naming.MANAGER,
            naming.TAG_RESTORE_UID: asks.uid,
            naming.TAG_NAMESPACE: asks.namespace,
            naming.TAG_RESTORE: asks.name,
        }


def run(task: SnapshotRestoreTask, context: Context, pace: Pace | None = None) -> Result:
    """Have it made, or find that an earlier Pod has. Raises HoldfastError."""
    context.log.line("step", phase="validating")
    work = _Work(task, context, pace or Pace())
    manifest, lies = source.read(task, context)
    kind, name = task.instance.kind, task.target.identifier
    made = work.about(name, kind)
    member = work.about(f"{name}-1", InstanceKind.INSTANCE)

    def ask() -> bool:
        taken = source.taken(task, manifest, lies, context, work.pace)
        if kind is InstanceKind.CLUSTER and targets.is_aurora(taken.engine):
            _require_free(work, member)  # before there is a cluster that costs money and has no instance
        return targets.restore(made, taken, task.target, work.tags)

    found = _made(work, made, ask)
    if kind is InstanceKind.CLUSTER and targets.is_aurora(found.engine):
        _made(work, member, lambda: targets.add_member(member, name, found.engine, task.target, work.tags))
    return _result(manifest, lies.arn, work, made, found)


def _require_free(work: _Work, rds: Rds) -> None:
    """Raise InstanceAlreadyExists where somebody else has one of that name."""
    found = patiently(work.context, work.pace, lambda: targets.look(rds))
    if found is not None:
        _require_ours(work, rds, found)


def _made(work: _Work, rds: Rds, ask: Callable[[], bool]) -> Target:
    """Ask for it unless it is there, and wait until it is available. Raises InstanceAlreadyExists, RestoreFailed."""
    context, pace, instance = work.context, work.pace, rds.instance
    context.log.line("step", phase="restoring", instance=instance.identifier)
    seen, give_up = False, None
    while True:
        found = patiently(context, pace, lambda: targets.look(rds))
        if found is None:
            if seen:
                raise _failed(rds, "is gone: somebody deleted it", f"find out in CloudTrail who did, then {_ANOTHER}")
            if give_up is not None and time.monotonic() >= give_up:
                raise _failed(
                    rds,
                    "was asked for, and RDS does not show it",
                    f"look for {instance.identifier} in the console, and delete it if it is there; then {_ANOTHER}",
                )
            patiently(context, pace, ask)
            give_up = give_up or time.monotonic() + pace.patience  # AWS may not show at once what it has just begun
            context.log.line("asked", instance=instance.identifier, region=rds.region)
        else:
            _require_ours(work, rds, found)
            seen = True
            context.log.line("progress", phase="restoring", status=found.status, instance=instance.identifier)
            if found.status in USABLE:
                return found
            if found.status not in ON_ITS_WAY:
                raise _failed(
                    rds,
                    f"is {found.status}, so it will not become available by itself; it was left as it is",
                    f"read the events of {instance.identifier} in RDS, delete it, then {_ANOTHER}",
                )
        context.stop.wait(pace.next())


def _require_ours(work: _Work, rds: Rds, found: Target) -> None:
    uid = work.task.restore.uid
    if found.tags.get(naming.MANAGED_BY) == naming.MANAGER and found.tags.get(naming.TAG_RESTORE_UID) == uid:
        return
    raise HoldfastError(
        Reason.INSTANCE_ALREADY_EXISTS,
        f"{rds.instance.kind} {rds.instance.identifier} already exists in {rds.region}, and its tags do not name this "
        "restore; it was left alone",
        f"set target.rds.identifier to a name that is free, and {_ANOTHER}",
    )


def _failed(rds: Rds, what: str, remedy: str) -> HoldfastError:
    instance = rds.instance
    return HoldfastError(Reason.RESTORE_FAILED, f"{instance.kind} {instance.identifier} in {rds.region} {what}", remedy)


def _result(manifest: SnapshotManifest, snapshot: str, work: _Work, made: Rds, found: Target) -> Result:
    """Look once more, since the address comes late; tell what was made."""
    now = patiently(work.context, work.pace, lambda: targets.look(made)) or found
    if now.address is None or not now.port:
        raise _failed(made, "is available, but RDS names no address of it", "read its events in RDS: it stays")
    if now.engine != manifest.snapshot.engine:
        raise HoldfastError(
            Reason.RESTORE_DIFFERS,
            f"{now.arn} has the engine {now.engine}, and the snapshot {manifest.snapshot.engine}",
            "find out in CloudTrail who made it; it was left as it is",
        )
    told = RestoredInstance(
        kind=made.instance.kind.value, identifier=made.instance.identifier, arn=now.arn, address=now.address,
        port=now.port, engine=now.engine, engine_version=now.engine_version,
    )  # fmt: skip
    report = RestoreReport(
        backup_id=manifest.backup.backup_id,
        instance=told,
        compared=["state", "engine"],
        server_version=f"{now.engine} {now.engine_version}",
    )
    said = f"{told.kind} {told.identifier} was made from {snapshot}, at {told.address}:{told.port}"
    return Result(message=said, restore=report)
