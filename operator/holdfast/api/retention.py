"""How long a policy's backups are kept: by age, by count, and what is never deleted.

What the words mean is in `decide/retention/`; here is what may be written.
"""

from enum import StrEnum

from pydantic import ConfigDict, Field

from holdfast.api.base import Rule, SpecModel, rules

MINIMUM = 1
MOST_DELETIONS = 20
KEEPS = ("keepLast", "keepHourly", "keepDaily", "keepWeekly", "keepMonthly", "keepYearly")


class RetentionMode(StrEnum):
    """Who deletes what has expired."""

    MANAGED = "Managed"
    EXTERNAL = "External"


def without_effect(where: str, applies: str, because: str, path: str = "") -> list[Rule]:
    """Return the rules that refuse all but days where nothing else has an effect.

    The API server fills in defaults before it asks, so a default cannot be told from nothing; but it also asks about
    the whole object's default, which has no fields yet.
    """
    most = f"{where}.maxDeletionsPerSweep"
    changed = {
        **{name: f"has({where}.{name})" for name in KEEPS},
        "minimum": f"has({where}.minimum) && {where}.minimum != {MINIMUM}",
        "dryRun": f"has({where}.dryRun) && {where}.dryRun",
        "maxDeletionsPerSweep": f"has({most}) && {most} != {MOST_DELETIONS}",
    }
    return [
        Rule(f"!({applies}) || !({given})", f"{name} has no effect {because}: leave it out", field=f"{path}.{name}")
        for name, given in changed.items()
    ]


class Retention(SpecModel):
    """Which backups of a policy are kept. What any rule keeps is kept; the others are deleted."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.days) || self.days > 0 || " + " || ".join(f"has(self.{name})" for name in KEEPS),
                "days 0 keeps no backup by its age: set another rule as well, e.g. keepLast",
                field=".days",
            ),
            *without_effect(
                "self",
                "has(self.mode) && self.mode == 'External'",
                "when mode is External, since the bucket deletes by age alone",
            ),
        )
    )

    days: int | None = Field(
        None,
        ge=0,
        le=36500,
        description="Days to keep a backup, counted from its completion. An older backup is deleted unless another "
        "rule keeps it. days also applies if you set only other rules; set days to 0 to let the other rules alone "
        "decide. A backup's own retentionDays overrides days. Default by environment: dev 30, staging 60, production "
        "90.",
    )
    keep_last: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Number of newest backups to keep, whatever their age. Default: none beyond days and minimum.",
    )
    keep_hourly: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Number of hours to keep one backup of: the newest of each of the last hours that have one. Hours, "
        "days, weeks, months and years are those of the schedule's timeZone, else UTC. Default: none.",
    )
    keep_daily: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Number of days to keep one backup of: the newest of each of the last days that have one. Default: "
        "none.",
    )
    keep_weekly: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Number of weeks (ISO: Monday to Sunday) to keep one backup of: the newest of each of the last "
        "weeks that have one. Default: none.",
    )
    keep_monthly: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Number of months to keep one backup of: the newest of each of the last months that have one. "
        "Default: none.",
    )
    keep_yearly: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Number of years to keep one backup of: the newest of each of the last years that have one. "
        "Default: none.",
    )
    minimum: int = Field(
        MINIMUM,
        ge=1,
        le=10_000,
        description="Number of good backups to keep in any case, however old they are. Default: 1.",
    )
    dry_run: bool = Field(
        False,
        description="Whether Holdfast deletes nothing, and only shows in the status what it would delete. Default: "
        "false.",
    )
    mode: RetentionMode = Field(
        RetentionMode.MANAGED,
        description="Who deletes what has expired: Managed (Holdfast) or External (a lifecycle rule of the bucket; "
        "Holdfast deletes nothing. It looks for a backup two days after the backup expires, and calls it Expired if it "
        "is gone). Default: Managed.",
    )
    max_deletions_per_sweep: int = Field(
        MOST_DELETIONS,
        ge=1,
        le=100_000,
        description="Most backups that Holdfast deletes at once without approval. If it would delete more than this, "
        "or more than half of the good backups, it deletes none and waits for approval. Default: 20.",
    )

    @property
    def counts(self) -> bool:
        """Whether any rule is set besides age."""
        return any(
            (self.keep_last, self.keep_hourly, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly)
        )
