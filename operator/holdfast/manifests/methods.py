"""What the Jobs of a backup are told by how it is taken: the one table of the methods among the builders.

A third one would be a module and one more line here; what is decided of it is in decide/methods/.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from holdfast.api import policy
from holdfast.api.backup import DatabaseBackupSpec
from holdfast.api.begun import Begun
from holdfast.api.policy import VerificationLevel
from holdfast.contract.task import (
    BackupTask,
    CleanupTask,
    DeleteItem,
    DeleteTask,
    MustStay,
    SnapshotCleanupTask,
    SnapshotDeleteTask,
    SnapshotTask,
    SnapshotVerifyTask,
    VerifyTask,
)
from holdfast.manifests.dump_jobs import DumpJobs
from holdfast.manifests.jobs import Owner
from holdfast.manifests.snapshot_jobs import SnapshotJobs


class Method(Protocol):
    """How one way of backing up is asked for."""

    def backup(
        self, spec: DatabaseBackupSpec, other_majors: list[int], compare_before: datetime | None = None
    ) -> BackupTask | SnapshotTask:
        """Say what to back up and where to; and which servers to leave to another image.

        What the bucket has of before `compare_before`, the cluster does not know.
        """

    def verification(self, level: VerificationLevel | None) -> VerifyTask | SnapshotVerifyTask:
        """Say what to verify, and how."""

    def cleanup(self) -> CleanupTask | SnapshotCleanupTask:
        """Say where to look for what a killed backup left."""

    def deletion(
        self, items: list[DeleteItem], must_stay: list[MustStay]
    ) -> DeleteTask | SnapshotDeleteTask:  # fmt: skip
        """Say which backups to delete from the store that this one is in, and which are to stay there."""

    def way_back(self) -> str:
        """Write what gets it back: a DatabaseRestore to apply."""


METHODS: Mapping[policy.Method, Callable[[Owner, Begun], Method]] = {
    policy.Method.DUMP: DumpJobs,
    policy.Method.AWS_RDS: SnapshotJobs,
}


def of(owner: Owner, begun: Begun) -> Method:
    """Return how this backup was asked for."""
    return METHODS[begun.resolved.method](owner, begun)
