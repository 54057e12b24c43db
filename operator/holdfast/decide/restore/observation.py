"""What a decision about one restore sees, and what it answers. Nothing here reads or writes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from holdfast import naming
from holdfast.api.backup import DatabaseBackupStatus
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus
from holdfast.decide import decision
from holdfast.decide.seen import NOTHING, Asked, Seen
from holdfast.decide.views import ClaimView, OwnerRef

Decision = decision.Decision[DatabaseRestoreStatus]

# The roles of a restore's Jobs
RESTORE, REMOVAL, CHECK = "restore", "removal", "check"


@dataclass(frozen=True)
class RestoreView:
    """A DatabaseRestore, parsed."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: datetime
    deleting: bool
    spec: DatabaseRestoreSpec
    status: DatabaseRestoreStatus

    @property
    def ref(self) -> OwnerRef:
        """What its Jobs are its own by."""
        return OwnerRef(naming.RESTORE_KIND, self.uid)


@dataclass(frozen=True)
class Candidate:
    """A backup that might be restored: the few facts that one is chosen by."""

    name: str
    ended: bool
    good: bool
    suspicious: bool
    deleting: bool
    completed: datetime | None
    backup_id: str | None
    purpose: str = ""  # what it was taken for; empty where that is nothing else


@dataclass(frozen=True)
class Found:
    """The chosen DatabaseBackup, asked for whole; or that there is none any more, or that it cannot be read."""

    uid: str = ""
    created: datetime | None = None
    status: DatabaseBackupStatus | None = None
    wrong: str = ""


@dataclass(frozen=True)
class SafetyView:
    """The DatabaseBackup that bears the name of the safety backup."""

    restore: str  # the uid of the restore that it was made for, as its label says
    ended: bool
    good: bool
    deleting: bool
    completed: datetime | None
    failed_for: str  # the reason, in one word
    of_target: bool  # it is of the very database that is restored into
    created: datetime
    waits: bool  # it has not begun
    policy_gone: str | None  # the policy that it waits for, where that does not exist


@dataclass(frozen=True)
class Former:
    """The restore whose replaced database is to be put back."""

    uid: str
    status: DatabaseRestoreStatus


@dataclass(frozen=True)
class Observation:
    """Everything that the decision about one restore rests on, read in one go."""

    restore: RestoreView
    candidates: Sequence[Candidate] = ()  # of the policy, or the one that is named
    found: Found | None = None  # None: it was not asked for yet
    target_policy: BackupPolicySpec | None = None
    source_policy_there: bool = True
    former: Former | None = None
    production: Sequence[tuple[str, tuple[str, str]]] = ()  # the policies of production: their names and databases
    policies: Sequence[tuple[str, BackupPolicySpec]] = ()  # that back up the database which is restored into
    safety: SafetyView | None = None
    safety_refused: str | None = None  # why the API server does not let it be made
    ahead: str | None = None  # the restore into the same database that goes first
    others_begin: bool = False  # another one is just being begun: which database it is into is not known here yet
    undone: bool = False  # a restore that puts back what this one replaced has not ended
    works: Mapping[str, Seen] = field(default_factory=dict)  # by role
    asked: Asked = field(default_factory=Asked)
    claim: ClaimView | None = None  # that its database lies on, where it was looked at just now

    def of(self, role: str) -> Seen:
        """Return the Job of a role, with its Pods, as they are seen."""
        return self.works.get(role, NOTHING)
