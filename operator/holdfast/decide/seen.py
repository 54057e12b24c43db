"""A Job as it is seen: what every task's decision rests on. Nothing here reads or writes anything."""

from dataclasses import dataclass
from datetime import datetime

from holdfast.decide import ownership
from holdfast.decide.views import JobView, PodView


@dataclass(frozen=True)
class Seen:
    """A Job by the name that the status says, and the Pods that bear that name: whose they are is decided."""

    name: str | None = None
    job: JobView | None = None
    pods: tuple[PodView, ...] = ()  # oldest first: anybody's (see ownership.py)
    refusal: str | None = None  # why the API server refuses the Job, or the Job its Pods
    refused_at: datetime | None = None  # when that was, as an Event says; None where it was just now

    @property
    def own_pods(self) -> tuple[PodView, ...]:
        """Return the Pods that this Job has made."""
        return ownership.pods_of(self.job.uid if self.job else None, self.pods)


NOTHING = Seen()


@dataclass(frozen=True)
class Asked:
    """What was asked of the API server beyond the cache: nothing is given up before that."""

    pods: bool = False  # just now, for all that bear the names of the owner's Jobs
    refusals: datetime | None = None  # when, why Jobs of this namespace have no Pod
