"""What the Jobs of a snapshot are told: AWS takes it and keeps it."""

from dataclasses import dataclass
from datetime import datetime

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus
from holdfast.api.policy import VerificationLevel
from holdfast.contract.task import SnapshotCleanupTask, SnapshotTask, SnapshotVerifyTask
from holdfast.manifests import restore_snapshot, tasks
from holdfast.manifests.jobs import Owner, Runner


@dataclass(frozen=True)
class SnapshotJobs:
    """The method of a snapshot."""

    owner: Owner
    status: DatabaseBackupStatus

    def backup(
        self, spec: DatabaseBackupSpec, _other_majors: list[int], _compare_before: datetime | None = None
    ) -> SnapshotTask:
        """Say of what to have a snapshot taken, and where its manifest goes."""
        resolved = tasks.resolved_of(self.status)
        return SnapshotTask(
            backup=tasks.identity(self.owner, spec, self.status),
            instance=resolved.database.snapshotted(),
            s3=resolved.storage.s3,
            key_prefix=tasks.key_prefix(self.status),
            deadline_seconds=tasks.deadline(resolved),
        )

    def verification(self, _level: VerificationLevel | None) -> SnapshotVerifyTask:
        """Say which snapshot to ask AWS about."""
        resolved = tasks.resolved_of(self.status)
        return SnapshotVerifyTask(
            backup_uid=self.owner.uid,
            backup_id=tasks.backup_id(self.status),
            instance=resolved.database.snapshotted(),
            s3=resolved.storage.s3,
            key_prefix=tasks.key_prefix(self.status),
            deadline_seconds=tasks.deadline(resolved),
        )

    def cleanup(self) -> SnapshotCleanupTask:
        """Say which snapshot to look for; there is as long for it as taking it had."""
        resolved = tasks.resolved_of(self.status)
        return SnapshotCleanupTask(
            backup_uid=self.owner.uid,
            backup_id=tasks.backup_id(self.status),
            instance=resolved.database.snapshotted(),
            s3=resolved.storage.s3,
            key_prefix=tasks.key_prefix(self.status),
            deadline_seconds=max(tasks.CLEANUP_SECONDS, tasks.deadline(resolved)),
        )

    def commands(self, _runner: Runner) -> str:
        """Write commands of AWS's own client."""
        instance = tasks.resolved_of(self.status).database.instance
        return restore_snapshot.restore_command(tasks.backup_id(self.status), self.status.snapshot, instance)
