"""What the Jobs of a dump are told: by the database's own tools, through a Pod, into the bucket."""

from dataclasses import dataclass
from datetime import datetime

from holdfast.api import policy
from holdfast.api.backup import DatabaseBackupSpec
from holdfast.api.begun import Begun
from holdfast.api.policy import VerificationLevel
from holdfast.contract.task import BackupTask, CleanupTask, DeleteItem, DeleteTask, MustStay, VerifyTask
from holdfast.manifests import restore_resource, tasks
from holdfast.manifests.jobs import Owner
from holdfast.manifests.volumes import scratch_bytes, spool_bytes


@dataclass(frozen=True)
class DumpJobs:
    """The method of a dump."""

    owner: Owner
    begun: Begun

    def backup(
        self, spec: DatabaseBackupSpec, other_majors: list[int], compare_before: datetime | None = None
    ) -> BackupTask:
        """Say what to dump and where to."""
        resolved = self.begun.resolved
        return BackupTask(
            backup=tasks.identity(self.owner, spec, self.begun),
            database=resolved.database,
            dump=resolved.dump or policy.Dump(),
            s3=resolved.storage.s3,
            encryption=resolved.storage.encryption,
            verification=resolved.verification.level,
            identity_secret=tasks.identity_secret(resolved),
            key_prefix=self.begun.key_prefix,
            deadline_seconds=self.begun.deadline_seconds,
            scratch_bytes=scratch_bytes(resolved),
            spool_bytes=spool_bytes(resolved.job),
            other_majors=other_majors,
            compare_before=compare_before,
        )

    def verification(self, level: VerificationLevel | None) -> VerifyTask:
        """Say which artifact to compare, and with what."""
        resolved = self.begun.resolved
        return VerifyTask(
            backup_uid=self.owner.uid,
            engine=resolved.database.dumped_engine(),
            level=level or resolved.verification.level,
            pinned=tasks.pinned(self.begun),
            identity_secret=resolved.verification.identity_secret_name if resolved.storage.encryption else None,
            s3=resolved.storage.s3,
            key_prefix=self.begun.key_prefix,
            deadline_seconds=self.begun.deadline_seconds,
            scratch_bytes=scratch_bytes(resolved),
        )

    def cleanup(self) -> CleanupTask:
        """Say which folder to clean."""
        return CleanupTask(
            backup_uid=self.owner.uid,
            s3=self.begun.resolved.storage.s3,
            key_prefix=self.begun.key_prefix,
            deadline_seconds=tasks.CLEANUP_SECONDS,
        )

    def deletion(self, items: list[DeleteItem], must_stay: list[MustStay]) -> DeleteTask:
        """Say which dumps to delete."""
        return DeleteTask(
            items=items,
            must_stay=must_stay,
            s3=tasks.pruning(self.begun.resolved.storage.s3),
            key_prefix=self.begun.key_prefix,
            deadline_seconds=tasks.DELETION_SECONDS,
        )

    def way_back(self) -> str:
        """Write the resource that restores it."""
        return restore_resource.of_dump(self.owner, self.begun.backup_id)
