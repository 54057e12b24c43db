"""What the Jobs of a snapshot are told: AWS takes it and keeps it."""

from dataclasses import dataclass
from datetime import datetime

from holdfast.api.backup import DatabaseBackupSpec
from holdfast.api.begun import Begun
from holdfast.api.policy import VerificationLevel
from holdfast.contract.task import (
    DeleteItem,
    MustStay,
    SnapshotCleanupTask,
    SnapshotDeleteTask,
    SnapshotTask,
    SnapshotVerifyTask,
)
from holdfast.manifests import restore_resource, tasks
from holdfast.manifests.jobs import Owner


@dataclass(frozen=True)
class SnapshotJobs:
    """The method of a snapshot."""

    owner: Owner
    begun: Begun

    def backup(
        self, spec: DatabaseBackupSpec, _other_majors: list[int], _compare_before: datetime | None = None
    ) -> SnapshotTask:
        """Say of what to have a snapshot taken, and where its manifest goes."""
        resolved = self.begun.resolved
        return SnapshotTask(
            backup=tasks.identity(self.owner, spec, self.begun),
            instance=resolved.database.snapshotted(),
            s3=resolved.storage.s3,
            key_prefix=self.begun.key_prefix,
            deadline_seconds=self.begun.deadline_seconds,
        )

    def verification(self, _level: VerificationLevel | None) -> SnapshotVerifyTask:
        """Say which snapshot to ask AWS about."""
        resolved = self.begun.resolved
        return SnapshotVerifyTask(
            backup_uid=self.owner.uid,
            backup_id=self.begun.backup_id,
            instance=resolved.database.snapshotted(),
            s3=resolved.storage.s3,
            key_prefix=self.begun.key_prefix,
            deadline_seconds=self.begun.deadline_seconds,
        )

    def cleanup(self) -> SnapshotCleanupTask:
        """Say which snapshot to look for; there is as long for it as taking it had."""
        resolved = self.begun.resolved
        return SnapshotCleanupTask(
            backup_uid=self.owner.uid,
            backup_id=self.begun.backup_id,
            instance=resolved.database.snapshotted(),
            s3=resolved.storage.s3,
            key_prefix=self.begun.key_prefix,
            deadline_seconds=max(tasks.CLEANUP_SECONDS, self.begun.deadline_seconds),
        )

    def deletion(self, items: list[DeleteItem], must_stay: list[MustStay]) -> SnapshotDeleteTask:
        """Say which snapshots to delete."""
        resolved = self.begun.resolved
        return SnapshotDeleteTask(
            items=items,
            must_stay=must_stay,
            instance=resolved.database.snapshotted(),
            s3=tasks.pruning(resolved.storage.s3),
            key_prefix=self.begun.key_prefix,
            deadline_seconds=tasks.DELETION_SECONDS,
        )

    def way_back(self) -> str:
        """Write a DatabaseRestore to apply."""
        return restore_resource.of_snapshot(self.owner, self.begun)
