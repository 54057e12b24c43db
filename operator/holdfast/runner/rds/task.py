"""The snapshot task: validate, have RDS take it, wait, copy, verify, record. The order of a dump's, with other acts.

The snapshot's name follows from the backup, so a second Pod of the same Job finds it and waits on. As with a dump,
what has no manifest is no backup: on any failure before that the snapshot goes again, where RDS lets it go.
"""

import time
from collections.abc import Callable
from datetime import timedelta

import holdfast
from holdfast import clock, naming
from holdfast.api.rds import InstanceKind, SnapshotCopy
from holdfast.contract.manifest import ManifestVerification
from holdfast.contract.report import BackupReport, CheckedBy
from holdfast.contract.snapshot import Snapshot, SnapshotInRegion, SnapshotManifest
from holdfast.contract.task import SnapshotTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import earlier, manifests, store
from holdfast.runner.bucket.part import Spool
from holdfast.runner.bucket.upload import Upload
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import Result, UncleanError
from holdfast.runner.rds.client import AVAILABLE, GIB, Rds, Source, Taken, connect
from holdfast.runner.rds.snapshots import (
    Pace,
    is_of,
    not_ours,
    patiently,
    present,
    remove,
    tags_of,
    wait_until_available,
    what_rds_says,
)

READY = (AVAILABLE, "storage-optimization", "storage-config-upgrade")
# An instance leaves these by itself, in minutes; in any other state it takes somebody to do something.
BUSY = ("backing-up", "maintenance", "modifying", "rebooting", "renaming", "resetting-master-credentials", "starting",
        "configuring-enhanced-monitoring", "configuring-log-exports", "upgrading", "creating")  # fmt: skip
UNREADABLE = "not read: RDS shows the state of a snapshot but not its content; only a restore proves the content"


class _Work:
    """One run of the task."""

    def __init__(self, task: SnapshotTask, context: Context, pace: Pace) -> None:
        self.task, self.context, self.pace = task, context, pace
        self.store = store.connect(task.s3, context.places)
        self.rds = connect(task.instance, task.instance.region, context.places)
        self.there = task.instance.copy_to and connect(task.instance, task.instance.copy_to.region, context.places)
        self.name = naming.snapshot_name(task.backup.backup_id, task.backup.uid)
        self.begun: list[Rds] = []

    def manifest(self) -> SnapshotManifest | None:
        """Look for this backup's manifest."""
        return manifests.read(self.store, self.task.key_prefix, self.task.backup.uid, SnapshotManifest)


def run(task: SnapshotTask, context: Context, pace: Pace | None = None) -> Result:
    """Take the snapshot, or find that an earlier Pod has. Raises HoldfastError, or UncleanError."""
    context.log.line("step", phase="validating")
    work = _Work(task, context, pace or Pace())
    manifest = work.manifest()
    looked = earlier.looking(work.store, task)
    if manifest is not None:
        return earlier.told(_found(work, manifest), looked)
    _require_writable(work)
    source = _ready(work)
    try:
        manifest = _take(work, source)
    except Exception as error:
        _discard(work, error)
        raise
    return earlier.told(_record(work, manifest), looked)


def _require_writable(work: _Work) -> None:
    """Prove that the manifest can be written before AWS is kept busy: begin an upload, and abort it."""
    no_parts = Spool(work.context.places.spool, None)
    probe = Upload(work.store, f"{work.task.key_prefix}{work.context.pod_uid}.probe", work.context.stop, no_parts)
    try:
        probe.begin()
    except HoldfastError as error:
        try:
            probe.discard()
        except HoldfastError as leftover:
            raise UncleanError(error, leftover.message) from error
        raise
    probe.discard()


def _ready(work: _Work) -> Source:
    """Describe the instance, and wait while it is busy with what passes. Raises InstanceNotAvailable."""
    instance, until = work.task.instance, time.monotonic() + work.pace.patience
    while True:
        source = patiently(work.context, work.pace, work.rds.source)
        if source.cluster is not None:
            raise HoldfastError(
                Reason.INSTANCE_IN_CLUSTER,
                f"instance {instance.identifier} is a member of cluster {source.cluster}, and RDS takes snapshots "
                "only of the whole cluster",
                f"set database.instance.kind to cluster, and database.instance.identifier to {source.cluster}",
            )
        if source.status in READY:
            work.context.log.line("validated", server=source.engine, status=source.status)
            return source
        if source.status not in BUSY or time.monotonic() >= until:
            raise HoldfastError(
                Reason.INSTANCE_NOT_AVAILABLE,
                f"{instance.kind} {instance.identifier} in {instance.region} is {source.status}; RDS takes snapshots "
                "only while the state is available",
                "start the instance or cluster if it is stopped, wait until it is available, then create another "
                "backup",
            )
        work.context.log.line("waiting", reason=Reason.INSTANCE_NOT_AVAILABLE, status=source.status)
        work.context.stop.wait(work.pace.next())


def _take(work: _Work, source: Source) -> SnapshotManifest:
    work.context.log.line("step", phase="snapshotting", snapshot=work.name)
    tags = tags_of(work.task.backup)
    taken = _made(work, work.rds, lambda: work.rds.create(work.name, tags), "snapshotting")
    copied, wanted = None, work.task.instance.copy_to
    if work.there and wanted:
        copied = _copied(work, work.there, taken, wanted)
    work.context.log.line("step", phase="verifying")
    _verify(work, taken, copied)
    return _manifest(work, source, taken, copied)


def _copied(work: _Work, there: Rds, taken: Taken, wanted: SnapshotCopy) -> Taken:
    if taken.encrypted and wanted.kms_key_id is None:
        raise HoldfastError(
            Reason.KMS_KEY_REFUSED,
            f"the snapshot is encrypted, but no KMS key in {wanted.region} is set to encrypt its copy",
            f"set database.instance.copyTo.kmsKeyID to a KMS key in {wanted.region}",
        )
    work.context.log.line("step", phase="copying", region=wanted.region)
    tags = tags_of(work.task.backup)
    region = work.task.instance.region
    return _made(work, there, lambda: there.copy(taken.arn, region, work.name, wanted.kms_key_id, tags), "copying")


def _made(work: _Work, rds: Rds, begin: Callable[[], bool], phase: str) -> Taken:
    """Begin a snapshot, or find that it was begun; wait until it is available. Raises SnapshotNotOurs."""
    uid = work.task.backup.uid
    while not _begun(work, rds, begin, uid):
        work.context.stop.wait(work.pace.next())
    return wait_until_available(rds, work.name, phase, work.context, work.pace)


def _begun(work: _Work, rds: Rds, begin: Callable[[], bool], uid: str) -> bool:
    """Begin it where it is not there; whether it is on its way now."""
    found = patiently(work.context, work.pace, lambda: rds.find(work.name))
    if found is not None and not is_of(found, uid):
        raise not_ours(found, rds, uid)
    if found is not None and found.status == "deleting":
        return False  # an earlier Pod was told to stop; the name is free again when it is gone
    if rds not in work.begun:
        work.begun.append(rds)
    if found is None:
        return patiently(work.context, work.pace, begin)
    work.context.log.line("found", snapshot=found.arn, status=found.status)
    return True


def _verify(work: _Work, taken: Taken, copied: Taken | None) -> None:
    """See that what RDS says of the snapshots makes sense. Raises SizeImplausible, SnapshotFailed."""
    if work.task.instance.kind is InstanceKind.INSTANCE and not (taken.full_bytes or taken.allocated_gib):
        raise HoldfastError(
            Reason.SIZE_IMPLAUSIBLE,
            f"RDS reports a size of 0 for snapshot {taken.arn}",
            "look at the instance in RDS, then create another backup",
        )
    if copied is not None and taken.encrypted and not copied.encrypted:
        raise HoldfastError(
            Reason.SNAPSHOT_FAILED,
            f"snapshot {taken.arn} is encrypted, but its copy {copied.arn} is not",
            "set database.instance.copyTo.kmsKeyID",
        )


def _manifest(work: _Work, source: Source, taken: Taken, copied: Taken | None) -> SnapshotManifest:
    task, now = work.task, clock.now()
    cluster = task.instance.kind is InstanceKind.CLUSTER
    allocated = None if cluster else taken.allocated_gib * GIB  # a cluster's storage grows; RDS states a placeholder
    return SnapshotManifest(
        backup=task.backup,
        snapshot=Snapshot(
            arn=taken.arn, region=task.instance.region, kms_key_id=taken.kms_key_id, kind=task.instance.kind.value,
            source=task.instance.identifier, engine=taken.engine, engine_version=taken.engine_version,
            encrypted=taken.encrypted, allocated_bytes=allocated, instance_class=source.instance_class,
            subnet_group=source.subnet_group, security_groups=source.security_groups,
            copy_in=copied and _in_region(copied, work),
        ),
        size_bytes=taken.full_bytes or allocated,
        verification=ManifestVerification(
            integrity_check=what_rds_says(taken, copied), file_readable=UNREADABLE, verified_at=now,
            checked_by=CheckedBy.RDS, compared=["state", "encryption"],
        ),
        started_at=work.context.started,
        completed_at=now,
        expires_at=now + timedelta(days=task.backup.retention_days),
        pod_uid=work.context.pod_uid,
        holdfast_version=holdfast.__version__,
    )  # fmt: skip


def _in_region(copied: Taken, work: _Work) -> SnapshotInRegion:
    assert work.there is not None
    return SnapshotInRegion(arn=copied.arn, region=work.there.region, kms_key_id=copied.kms_key_id)


def _record(work: _Work, manifest: SnapshotManifest) -> Result:
    work.context.log.line("step", phase="recording")
    in_force = manifests.record(
        work.store, work.task.key_prefix, manifest, work.context, discard=lambda error: _discard(work, error)
    )
    return _reported(in_force, found=in_force.pod_uid != work.context.pod_uid)


def _found(work: _Work, manifest: SnapshotManifest) -> Result:
    """Ask RDS once more about what an earlier Pod has recorded. Raises BackupNotFound where it is not there."""
    work.context.log.line("found", snapshot=manifest.snapshot.arn, phase="verifying")
    for rds in [work.rds, *([work.there] if work.there else [])]:
        present(rds, work.name, work.task.backup.uid, work.context, work.pace)
    return _reported(manifest, found=True)


def _reported(manifest: SnapshotManifest, *, found: bool) -> Result:
    snapshot, verification = manifest.snapshot, manifest.verification
    action = "CreateDBClusterSnapshot" if snapshot.kind == "cluster" else "CreateDBSnapshot"
    unencrypted = "the snapshot is not encrypted, since its source is not encrypted"
    report = BackupReport(
        backup_id=manifest.backup.backup_id,
        size_bytes=manifest.size_bytes,
        snapshot=snapshot,
        tool_version=f"RDS {action}",
        server_version=f"{snapshot.engine} {snapshot.engine_version}",
        integrity_check=verification.integrity_check,
        file_readable=verification.file_readable,
        verified_at=clock.now() if found else verification.verified_at,
        checked_by=CheckedBy.RDS,
        compared=verification.compared,
        found=found,
        completed_at=manifest.completed_at,
    )
    return Result(backup=report, warnings=[] if snapshot.encrypted else [unencrypted])


def _discard(work: _Work, error: Exception) -> None:
    """Remove what was begun, unless another Pod has made a backup of it. Raises UncleanError where that fails."""
    if not work.begun:
        return
    try:
        if work.manifest() is not None:
            return
        busy = [rds.region for rds in work.begun if remove(rds, work.name, work.task.backup.uid) is False]
    except HoldfastError as leftover:
        raise UncleanError(error, leftover.message) from error
    if busy:
        raise UncleanError(error, _still_there(work.name, busy).message) from error


def _still_there(name: str, regions: list[str]) -> HoldfastError:
    return HoldfastError(
        Reason.SNAPSHOT_FAILED,
        f"snapshot {name} in {' and '.join(regions)} is not available yet, and RDS cannot delete it before",
        "the next Pod waits for this snapshot, or the operator's cleanup removes it",
    )
