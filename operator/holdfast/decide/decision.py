"""What a decision may answer: to write a status, to do one thing to the cluster, or to rest. Nothing here acts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from holdfast.api.backup import Failure
from holdfast.api.base import StatusModel
from holdfast.decide.migrations import MigrationJob
from holdfast.decide.views import JobView
from holdfast.sentences import EVENT_BYTES, explain

S_co = TypeVar("S_co", bound=StatusModel, covariant=True)  # the status of the kind that is decided about
RETIRED_SECONDS = 300  # that a finished Job stays which another one follows: nobody is alarmed by a failed Job


class What(StrEnum):
    """What may be asked of the API server because the cache cannot say it."""

    PODS = "list the Pods: the cache may be behind"
    CLAIM = "look at the claim, and who has it"
    SOURCE = "ask for the backup that is restored, whole"
    EVENTS = "ask why the Job has no Pod"
    SELF = "ask who we are: a Job without an owner says who made it"


@dataclass(frozen=True)
class Create:
    """Make the Job of this role."""

    role: str

    def __str__(self) -> str:
        """Say it for the log."""
        return f"create the Job: {self.role}"


@dataclass(frozen=True)
class Delete:
    """End this very Job, with its Pods before it."""

    job: JobView

    def __str__(self) -> str:
        """Say it for the log."""
        return f"end the Job {self.job.name}, by deleting it"


@dataclass(frozen=True)
class Expire:
    """Let this Job, which has finished, stay for so many seconds and then go."""

    job: JobView
    seconds: int

    def __str__(self) -> str:
        """Say it for the log."""
        return f"let the Job {self.job.name} go in {self.seconds} s"


@dataclass(frozen=True)
class Learn:
    """Ask the API server."""

    what: What

    def __str__(self) -> str:
        """Say it for the log."""
        return self.what.value


@dataclass(frozen=True)
class MakeBackup:
    """Make the DatabaseBackup of this name: of a slot of a schedule, or of a request by annotation."""

    name: str
    slot: datetime | None = None
    request: str = ""
    number: int = 0

    def __str__(self) -> str:
        """Say it for the log."""
        return f"create the DatabaseBackup {self.name}"


@dataclass(frozen=True)
class MakeRestore:
    """Make the DatabaseRestore of this name, from this backup: a migration has failed."""

    name: str
    backup: str

    def __str__(self) -> str:
        """Say it for the log."""
        return f"create the DatabaseRestore {self.name}, of DatabaseBackup {self.backup}"


@dataclass(frozen=True)
class DeleteBackup:
    """Delete this very DatabaseBackup: one that bears its name by now and has another uid is not touched."""

    name: str
    uid: str
    version: str | None = None  # one that has changed since it was this is not touched either

    def __str__(self) -> str:
        """Say it for the log."""
        return f"delete the DatabaseBackup {self.name}"


@dataclass(frozen=True)
class DeleteBackups:
    """Delete these very DatabaseBackups, one after the other."""

    backups: tuple[DeleteBackup, ...]

    def __str__(self) -> str:
        """Say it for the log."""
        names = ", ".join(backup.name for backup in self.backups[:3])
        return f"delete {len(self.backups)} DatabaseBackups: {names}{', ...' if len(self.backups) > 3 else ''}"


@dataclass(frozen=True)
class Hold:
    """Have the backup's resource stay, when somebody deletes it, until its data is gone: put our finalizer on it."""

    name: str
    uid: str

    def __str__(self) -> str:
        """Say it for the log."""
        return "add the finalizer: Holdfast deletes the data before the resource goes"


@dataclass(frozen=True)
class Release:
    """Take our finalizer from the backup; `left`: what is told of data that is left where it lies."""

    name: str
    uid: str
    left: "Left | None" = None

    def __str__(self) -> str:
        """Say it for the log."""
        return "remove the finalizer" + (", although its data is not deleted" if self.left else "")


@dataclass(frozen=True)
class ReleaseJob:
    """Let this very Job of somebody else's run, which was held until there was a backup."""

    job: MigrationJob
    backup: str  # the name of what it waited for

    def __str__(self) -> str:
        """Say it for the log."""
        return f"release the Job {self.job.name}: DatabaseBackup {self.backup} has succeeded"


@dataclass(frozen=True)
class Tell:
    """Tell people by an Event about a Job that has no status of ours to say it in."""

    job: MigrationJob
    said: "Announcement"

    def __str__(self) -> str:
        """Say it for the log."""
        return f"tell of the Job {self.job.name}: {self.said.reason}"


@dataclass(frozen=True)
class Left:
    """Data that nothing in the cluster stands for any more: where it lies, and why it is still there."""

    location: str
    why: str


Act = (
    Create | Delete | Expire | Learn | MakeBackup | MakeRestore | DeleteBackup | DeleteBackups | Hold | Release
    | ReleaseJob | Tell
)  # fmt: skip


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
class Write(Generic[S_co]):
    """Write the whole status as it should be; where it says that already, rest until `due`."""

    status: S_co
    announcement: Announcement | None = None
    due: datetime | None = None  # look again then, even when no event comes
    act: None = None


@dataclass(frozen=True)
class Do:
    """Do one thing to the cluster."""

    act: Act
    due: datetime | None = None
    status: None = None
    announcement: None = None


@dataclass(frozen=True)
class Rest:
    """Leave everything as it is until something changes, or until `due`."""

    due: datetime | None = None
    status: None = None
    announcement: None = None
    act: None = None


Decision = Write[S_co] | Do | Rest
