"""What the operator says of a BackupPolicy. The runner reads the spec alone, and starts without this."""

from datetime import datetime

from pydantic import Field

from holdfast.api.base import StatusModel, keyed_by
from holdfast.api.conditions import Condition
from holdfast.api.deletion import RetentionStatus
from holdfast.api.runs import Asked, LastFailure, LastRun, LastSuccess, Run
from holdfast.api.schedule import ScheduleStatus


class BackupPolicyStatus(StatusModel):
    """State of the policy, and of its backups."""

    observed_generation: int | None = Field(None, description="Generation of the spec that this status describes.")
    retention_days: int | None = Field(None, description="Days to keep the policy's backups, with defaults applied.")
    schedule: ScheduleStatus | None = Field(
        None, description="Up to when the schedule is settled, and which backups were missed."
    )
    next_runs: list[datetime] | None = Field(
        None, max_length=3, description="When the next three scheduled backups begin, jitter included, UTC."
    )
    last_run: LastRun | None = Field(None, description="The last backup that the schedule created.")
    last_success: LastSuccess | None = Field(
        None, description="The last good backup since the policy was created, scheduled or not."
    )
    last_failure: LastFailure | None = Field(
        None, description="The last failed backup since the policy was created, scheduled or not."
    )
    recent: list[Run] = Field(
        [],
        max_length=10,
        json_schema_extra=keyed_by("name"),
        description="The last ten backups of the policy that have ended, the newest first, scheduled or not.",
    )
    backup_now: Asked | None = Field(
        None, description="The last request for a backup by the annotation holdfast.dev/backup-now."
    )
    retention: RetentionStatus | None = Field(
        None, description="Which backups are kept and why, which is deleted next, and which were deleted last."
    )
    conditions: list[Condition] = Field(
        [],
        max_length=16,
        json_schema_extra=keyed_by("type"),
        description="Conditions of the policy: Ready, Reconciling, Stalled; and RetentionHeld while a plan waits for "
        "approval because it would delete too much.",
    )
