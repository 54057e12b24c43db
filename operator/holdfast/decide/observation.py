"""What a decision about one backup sees, and what it may answer. Nothing here reads or writes anything."""

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Failure
from holdfast.api.policy import BackupPolicySpec
from holdfast.decide.suspicion import Former
from holdfast.decide.views import ClaimView, JobView, PodView
from holdfast.sentences import EVENT_BYTES, explain


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


@dataclass(frozen=True)
class Observation:
    """Everything that the decision about one backup rests on, read in one go."""

    backup: BackupView
    policy: BackupPolicySpec | None = None  # of the BackupPolicy that policyRef names, while there is one
    job: JobView | None = None  # by the name that status says
    pods: tuple[PodView, ...] = ()  # that bear that name as label, oldest first: anybody's (see ownership.py)
    pods_listed: bool = False  # whether `pods` was read from the API server just now, not from the cache
    refusal: str | None = None  # why the API server refuses the Job, or the Job its Pods; of a verification, its Job
    refused_at: datetime | None = None  # when that was, as an Event says; None where it was just now
    refusals_read: datetime | None = None  # when the cluster was last asked why Jobs of this namespace have no Pod
    former_job: JobView | None = None  # the one that this one follows, by its name
    claim: ClaimView | None = None  # that its database lies on, where it was looked at just now
    cleanup_job: JobView | None = None
    cleanup_pods: tuple[PodView, ...] = ()
    verify_request: str | None = None  # the annotation's value
    verify_job: JobView | None = None  # of the last request, by the name that status says
    verify_pods: tuple[PodView, ...] = ()
    taken_ids: Container[str] = frozenset()  # ids of the other backups in the same folder
    first_known: datetime | None = None  # when the first backup of the policy was asked for, that the cluster knows
    former: tuple[Former, ...] = ()  # the last good backups beside which one that ends now is judged
    known_major: int | None = None  # of the server, from the last good backup of the same database


class Act(StrEnum):
    """What to do to the cluster after the status is written."""

    CREATE_JOB = "create the Job"
    LOOK_AT_CLAIM = "look at the claim, and who has it"
    LOOK_AT_EVENTS = "ask why the Job has no Pod"
    DELETE_JOB = "end the Job, by deleting it"
    END_FORMER = "end the Job that another one follows"
    RETIRE_JOB = "let the Job go soon: another one follows it"
    EXPIRE_JOB = "let the Job expire"
    LIST_PODS = "list the Pods: the cache may be behind"
    CREATE_CLEANUP = "create the cleanup Job"
    END_CLEANUP = "end the cleanup Job"
    EXPIRE_CLEANUP = "let the cleanup Job expire"
    CREATE_VERIFY = "create the verification's Job"
    DELETE_VERIFY = "end the verification's Job, by deleting it"
    EXPIRE_VERIFY = "let the verification's Job expire"


@dataclass(frozen=True)
class Announcement:
    """A Kubernetes Event, for `kubectl describe`."""

    warning: bool
    reason: str
    message: str

    @classmethod
    def of(cls, failure: Failure, reason: str) -> "Announcement":
        """Warn of a failure, under the Event's own reason; what to do is told whole, however long the message."""
        what = "" if reason == failure.reason else f"{failure.reason}: "
        return cls(True, reason, what + explain(failure, EVENT_BYTES - len(what)))


@dataclass(frozen=True)
class Decision:
    """What to write, what to do, what to say, and when to look again."""

    status: DatabaseBackupStatus | None = None  # the whole status as it should be; None leaves it alone
    act: Act | None = None
    announcement: Announcement | None = None
    due: datetime | None = field(default=None)  # look again then, even when no event comes
