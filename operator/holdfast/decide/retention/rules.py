"""The rules of a policy, as a plan reads them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from zoneinfo import ZoneInfo

from holdfast.api.policy import BackupPolicySpec, Environment
from holdfast.api.retention import Retention
from holdfast.api.schedule import UTC
from holdfast.decide.retention.facts import Fact
from holdfast.errors import HoldfastError, Reason
from holdfast.texts import quoted

FAILURES = timedelta(days=7)  # for which the resource of a failed backup is kept
GRACE = timedelta(hours=1)  # after its creation, in which a backup is not looked at


@dataclass(frozen=True, slots=True)
class Rules:
    """What a policy says about its backups."""

    retention: Retention
    environment: Environment
    zone: ZoneInfo
    grace: timedelta = GRACE

    @classmethod
    def of(cls, spec: BackupPolicySpec, grace: timedelta = GRACE) -> Self:
        """Read them. Raises HoldfastError where the time zone is none: another one would keep other backups."""
        name = spec.schedule.time_zone if spec.schedule else UTC
        try:
            zone = ZoneInfo(name)
        except (ValueError, OSError, LookupError):  # no such file, or a folder, or a file that is none
            raise HoldfastError(
                Reason.SCHEDULE_INVALID,
                f"spec.schedule.timeZone: {quoted(name)} is not a time zone of the IANA database",
                "correct this field; until then Holdfast deletes no backup of this policy",
            ) from None
        return cls(spec.retention, spec.environment, zone, grace)

    def days(self, fact: Fact) -> int:
        """Return for how many days a backup is kept by its age: by its own word, else the policy's, else by default."""
        for days in (fact.retention_days, self.retention.days):
            if days is not None:
                return days
        return (fact.environment or self.environment).retention_days
