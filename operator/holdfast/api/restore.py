"""DatabaseRestore: one restore of one backup into one database."""

from typing import Annotated

from pydantic import ConfigDict, Field

from holdfast.api.base import ObjectName, Rule, SpecModel, left_out, rules, says
from holdfast.api.guard import MAX_CONFIRM, Safety, Unattended
from holdfast.api.job import JobTemplate
from holdfast.api.masking import AfterRestore, MaskingWaived
from holdfast.api.restore_source import RestoreSource
from holdfast.api.restore_target import RestoreTarget
from holdfast.api.restoring import Content, GlobalsMode, RestoreMode

MAX_KEPT_HOURS = 8760  # a year

_GIVES = "((has(self.globals) && self.globals != 'None') || has(self.owner))"


class RestoreOptions(SpecModel):
    """What of the backup to restore, and how. A restore fails if the backup's format lacks an option."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                f"!{_GIVES} || ((!has(self.tables) || self.tables.size() == 0) && "
                "(!has(self.content) || self.content != 'Data'))",
                "globals and owner are of a whole restore: leave out tables, and content Data",
            ),
        )
    )

    content: Content = Field(
        Content.ALL, description="What to restore: All, Schema (no rows) or Data (only rows). Default: All."
    )
    globals: GlobalsMode = Field(
        GlobalsMode.NONE,
        description="Whether to restore the roles (MySQL and MariaDB: accounts), owners and grants in the backup: "
        "None, IfMissing (create those that are missing, without password and login; restore owners and grants as far "
        "as the target's user has the right; warn about the rest) or Require (the restore fails, before anything is "
        "switched, unless it can restore all of them). Not for sqlite. Default: None.",
    )
    owner: str | None = Field(
        None,
        min_length=1,
        max_length=63,
        pattern=r"^[^\x00]+$",
        json_schema_extra=says("must not contain a NUL character"),
        description="Role that will own all restored objects, whoever owned them before. The role must exist, or "
        "globals must create it. Only for postgresql: elsewhere nothing has an owner. Default: as globals says, else "
        "the user who restores.",
    )
    tables: list[Annotated[str, Field(min_length=1, max_length=256)]] | None = Field(
        None,
        max_length=64,
        description="Restore only these tables, named as in the manifest, e.g. public.orders. Formats custom and "
        "directory can do this. Default: all tables.",
    )
    jobs: int | None = Field(
        None,
        ge=1,
        le=64,
        description="How many tables to restore at a time. Only for formats custom and directory. With more "
        "than 1, the Job first writes the dump to job.scratch, decompressed. Default: 1.",
    )
    identity_secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with the age identity that decrypts the backup. Required for "
        "an encrypted backup of source.bucket. Default for other sources: age-identity, if the backup is encrypted.",
    )


_FIXED = (
    "source", "target", "mode", "options", "keepReplacedHours", "job", "unattended", "afterRestore", "maskingWaived",
    "safetyBackup",
)  # fmt: skip
_IMMUTABLE = Rule(
    " && ".join(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
        for field in _FIXED
    ),
    "a DatabaseRestore runs once, so only confirm may change in its spec; create another DatabaseRestore",
    reason="FieldValueForbidden",
)


_PUT_BACK = "!has(self.source.replacedBy)"
_SNAPSHOT_IN_BUCKET = "(has(self.source.bucket) && has(self.target) && has(self.target.rds))"
_NOT_BELIEVED = ("region", "instanceClass", "subnetGroup", "securityGroups")  # what costs money or opens a network


class DatabaseRestoreSpec(SpecModel):
    """What to restore, where to and how. Only confirm may change later."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _IMMUTABLE,
            Rule(
                "!has(self.source.bucket) || (has(self.target) && (has(self.target.database) || "
                "has(self.target.policyRef) || has(self.target.rds)))",
                "a backup in a bucket does not say how to reach a database: set target.database or target.policyRef; "
                "for a snapshot of RDS, target.rds",
                field=".target",
            ),
            Rule(
                f"!{_SNAPSHOT_IN_BUCKET} || ({' && '.join(f'has(self.target.rds.{each})' for each in _NOT_BELIEVED)})",
                f"a manifest in a bucket is not asked what to make: set {', '.join(_NOT_BELIEVED[:-1])} and "
                f"{_NOT_BELIEVED[-1]}",
                field=".target.rds",
                reason="FieldValueRequired",
            ),
            Rule(
                f"!has(self.target) || !has(self.target.rds) || !has(self.target.rds.kind) || {_SNAPSHOT_IN_BUCKET}",
                "kind has no effect without source.bucket, since a DatabaseBackup says it itself: leave it out",
                field=".target.rds.kind",
            ),
            *left_out(
                "!has(self.target) || !has(self.target.rds)",
                "RDS restores a whole snapshot into a new instance or cluster: leave {field} out",
                *("mode", "options", "afterRestore"),
            ),
            *left_out(_PUT_BACK, "replacedBy puts a database back in its own place: leave target out", "target"),
            *left_out(
                _PUT_BACK,
                "replacedBy puts a whole database back, without reading a backup: leave options out",
                "options",
            ),
            *left_out(
                _PUT_BACK,
                "mode has no effect with replacedBy, which keeps the database that it moves away: leave mode out",
                "mode",
            ),
            *left_out(
                _PUT_BACK,
                "replacedBy loses nothing, so that no safety backup is taken: leave safetyBackup out",
                "safetyBackup",
            ),
            Rule(
                "!has(self.mode) || self.mode != 'Into' || !has(self.options) || ((!has(self.options.globals) || "
                "self.options.globals == 'None') && !has(self.options.owner))",
                "mode Into leaves what is there as it is, its owners and rights too: leave out options.globals and "
                "options.owner",
                field=".options",
            ),
            Rule(
                "has(self.source.replacedBy) || !has(self.keepReplacedHours) || "
                "(has(self.mode) && self.mode == 'Replace')",
                "keepReplacedHours has no effect unless mode is Replace: leave it out",
                field=".keepReplacedHours",
            ),
            *left_out(
                _PUT_BACK,
                "{field} has no effect with replacedBy, which puts a database back as it was: leave it out",
                *("afterRestore", "maskingWaived"),
            ),
            Rule(
                "!has(self.afterRestore) || !has(self.maskingWaived)",
                "afterRestore masks the data, and maskingWaived says why they are not masked: leave out one of the two",
                field=".maskingWaived",
            ),
        )
    )

    source: RestoreSource = Field(description="Which backup to restore.")
    target: RestoreTarget | None = Field(
        None, description="Which database to restore into. Default: the one that the backup was taken of."
    )
    mode: RestoreMode | None = Field(
        None,
        description="What to do if the target is not empty: Refuse (the restore fails), Replace (restore beside the "
        "target, check the result, then put it in the target's place in one step; the old database is kept for "
        "keepReplacedHours) or Into (keep what is in the target and add to it; the restore stops at the first "
        "conflict). Default: Refuse.",
    )
    options: RestoreOptions | None = Field(None, description="What of the backup to restore, and how.")
    keep_replaced_hours: int | None = Field(
        None,
        ge=0,
        le=MAX_KEPT_HOURS,
        description="How long to keep the database that was replaced, in hours. Then a Job removes it. Only with mode "
        "Replace. Default: 24.",
    )
    job: JobTemplate | None = Field(
        None,
        description="How the Job runs. Default: as the Jobs of the policy that the target belongs to, or as those of "
        "the backup.",
    )
    confirm: str | None = Field(
        None,
        max_length=MAX_CONFIRM,
        description="Confirms a restore into production: the name of the target database. The restore waits until "
        "somebody writes the name here. If the field is removed before the Job begins, the restore waits again. You "
        "cannot set it when you create the resource, unless you also set unattended. This is the only field that you "
        "may change later.",
    )
    after_restore: AfterRestore | None = Field(
        None,
        description="SQL that runs in the restored database, in one transaction, after the restore is checked; in "
        "mode Replace, before the database takes the target's place. If the SQL fails, the restore fails and nothing "
        "is switched.",
    )
    masking_waived: MaskingWaived | None = Field(
        None,
        description="Why data of a higher environment (production, then staging, then dev) may come into a lower one "
        "without afterRestore. Without afterRestore and without this field, such a restore fails before it begins. "
        "The status and an Event show this reason.",
    )
    unattended: Unattended | None = Field(
        None,
        description="Allows you to set confirm when you create the resource. Only for a pipeline that nobody watches.",
    )
    safety_backup: Safety | None = Field(
        None,
        description="Whether to back up a production target before the restore changes it, in modes Replace and "
        "Into: Take or Skip. If this backup fails, the restore fails and has changed nothing. Default: Take.",
    )
