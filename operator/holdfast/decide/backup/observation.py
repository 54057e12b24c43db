"""What a decision about one backup sees, and what it answers. Nothing here reads or writes anything."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast import naming
from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus
from holdfast.api.begun import Begun
from holdfast.api.deletion import Member
from holdfast.api.policy import BackupPolicySpec
from holdfast.decide import decision
from holdfast.decide.backup.queue import Turn
from holdfast.decide.backup.suspicion import Former
from holdfast.decide.migrations import MigrationJob
from holdfast.decide.seen import NOTHING, Asked, Seen
from holdfast.decide.views import ClaimView, JobView, OwnerRef
from holdfast.errors import HoldfastError

Decision = decision.Decision[DatabaseBackupStatus]


@dataclass(frozen=True)
class BackupView:
    """A DatabaseBackup, parsed."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: datetime
    deleting: bool
    spec: DatabaseBackupSpec
    status: DatabaseBackupStatus
    deleted: datetime | None = None  # when somebody deleted the resource
    held: bool = False  # our finalizer is on it

    @property
    def ref(self) -> OwnerRef:
        """What its Jobs are its own by."""
        return OwnerRef(naming.BACKUP_KIND, self.uid)

    @property
    def begun(self) -> Begun:
        """What it was fixed to be. Raises HoldfastError(InvalidSpec) where its status does not say so."""
        return Begun.of(self.uid, self.created, self.status)

    @property
    def lacks(self) -> HoldfastError | None:
        """What is to be said of a status that has begun, and lost something of that."""
        try:
            self.begun  # noqa: B018
        except HoldfastError as error:
            return error
        return None


@dataclass(frozen=True)
class Removal:
    """What the policy's page says of this backup: its data is to be deleted, or the Job has done what it could."""

    member: Member
    job_name: str
    made: bool  # Holdfast has made the resource: it goes with its data
    kept: bool  # by the plan as it is now: the page is older, or somebody else has written it


# The roles of a backup's Jobs
BACKUP, FORMER, CLEANUP, VERIFY, DELETION = "backup", "former", "cleanup", "verify", "delete"


@dataclass(frozen=True)
class Observation:
    """Everything that the decision about one backup rests on, read in one go."""

    backup: BackupView
    policy: BackupPolicySpec | None = None  # of the BackupPolicy that policyRef names, while there is one
    works: Mapping[str, Seen] = field(default_factory=dict)  # by role
    asked: Asked = field(default_factory=Asked)
    claim: ClaimView | None = None  # that its database lies on, where it was looked at just now
    verify_request: str | None = None  # the annotation's value
    taken_ids: Container[str] = frozenset()  # ids of the other backups in the same folder
    first_known: datetime | None = None  # when the first backup of its policy and database was asked for, that is known
    former: tuple[Former, ...] = ()  # the last good backups beside which one that ends now is judged
    turn: Turn | None = None  # what the queue says to one that has not begun; None: it has nothing to say
    removal: Removal | None = None  # its policy deletes it
    swept: bool = False  # the Job that its policy deleted it by is still there, or a Pod of that
    sought: bool = False  # the bucket was to delete it by now: it is to be looked for
    known_major: int | None = None  # of the server, from the last good backup of the same database
    maker: str | None = None  # as whom the operator makes Jobs; None: it has not asked yet
    migration: MigrationJob | None = None  # the Job that it was taken for, while that is there and watched
    rollback: str | None = None  # the restore of it that was made because that Job has failed
    closed: bool = False  # the namespace takes no Job any more, now or later: it is going
    crowded: bool = False  # as many deletions of such backups run as may

    def of(self, role: str) -> Seen:
        """Return the Job of a role, with its Pods, as they are seen."""
        return self.works.get(role, NOTHING)

    @property
    def job(self) -> JobView | None:
        """The backup's own Job: `former` is the one that it follows."""
        return self.of(BACKUP).job
