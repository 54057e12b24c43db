"""DatabaseRestore: one restore of one backup into one database."""

from typing import Annotated

from pydantic import ConfigDict, Field

from holdfast.api.backup import PolicyReference
from holdfast.api.base import ObjectName, Rule, SpecModel, rules, says
from holdfast.api.database import Database
from holdfast.api.guard import MAX_CONFIRM, Safety, Unattended
from holdfast.api.job import JobTemplate
from holdfast.api.masking import AfterRestore, MaskingWaived
from holdfast.api.policy import Environment
from holdfast.api.rds_target import RDSTarget
from holdfast.api.release import Purpose
from holdfast.api.restoring import Content, GlobalsMode, RestoreMode
from holdfast.api.storage import S3Storage

MAX_KEPT_HOURS = 8760  # a year


class ResourceReference(SpecModel):
    """A resource of the same namespace."""

    name: ObjectName = Field(description="Name of the resource.")


class BucketSource(SpecModel):
    """A backup's folder in a bucket. No DatabaseBackup needs to exist: the manifest in the folder says everything."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("has(self.s3.bucket)", "name the bucket: set s3.bucket", field=".s3", reason="FieldValueRequired")
        )
    )

    s3: S3Storage = Field(description="The bucket, and how to reach it.")
    folder: str = Field(
        min_length=3,
        max_length=1024,
        pattern=r"^[^/\x00-\x1f\x7f]+(/[^/\x00-\x1f\x7f]+)*/?$",
        json_schema_extra={
            **says("must be a folder within the bucket, without empty parts: eu-1/shop/orders/backup-20261122-084500"),
            **rules(
                Rule("!self.split('/').exists(part, part in ['.', '..'])", "folder must not have the parts '.' or '..'")
            ),
        },
        description="Folder of the backup in the bucket: the one that contains manifest.json. Write it with the "
        "prefix: PREFIX/NAMESPACE/POLICY/BACKUP-ID.",
    )


_WAYS = ("backupRef", "policyRef", "bucket", "replacedBy")
_ONE_WAY = "[" + ", ".join(f"has(self.{way})" for way in _WAYS) + "].filter(there, there).size() == 1"


class RestoreSource(SpecModel):
    """Which backup to restore."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(_ONE_WAY, "set exactly one of backupRef, policyRef, bucket and replacedBy"),
            *(
                Rule(
                    f"has(self.policyRef) || !has(self.{field})",
                    f"{field} chooses among a policy's backups, so it needs policyRef: leave it out",
                    field=f".{field}",
                )
                for field in ("purpose", "before", "includeSuspicious")
            ),
        )
    )

    backup_ref: ResourceReference | None = Field(
        None,
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
        description="The DatabaseBackup in this namespace to restore. If it is still in progress, the restore waits.",
    )
    policy_ref: PolicyReference | None = Field(
        None,
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
        description="The BackupPolicy in this namespace whose last good backup to restore.",
    )
    purpose: Purpose | None = Field(
        None,
        description="Restore the policy's last good backup with this purpose: pre-migration (to roll back) or "
        "safety. If there is none, the policy's last good backup; status.source.because says which. Only with "
        "policyRef. Default: the last good backup, whatever its purpose.",
    )
    before: str | None = Field(
        None,
        max_length=20,
        pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z$",
        json_schema_extra=says("must be a time in UTC: 2026-11-22T08:45:00Z"),
        description="Restore the last good backup that was completed before this time, e.g. 2026-11-22T08:45:00Z. "
        "Only with policyRef. Default: the last good backup.",
    )
    include_suspicious: bool | None = Field(
        None,
        description="Whether a suspicious backup counts as good. Only with policyRef. Default: false.",
    )
    bucket: BucketSource | None = Field(
        None,
        description="A backup's folder in a bucket, written by this cluster or by another one. No DatabaseBackup needs "
        "to exist for it.",
    )
    replaced_by: ResourceReference | None = Field(
        None,
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
        description="A DatabaseRestore in this namespace with mode Replace. The database that it replaced takes its "
        "place again, if it is still kept. This undoes that restore.",
    )


class RestoreTarget(SpecModel):
    """Which database to restore into."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.database) || !has(self.policyRef)",
                "the target is a policy's database or the one that database names: leave out one of the two",
                field=".policyRef",
            ),
            Rule(
                "!has(self.database) || !has(self.databaseName)",
                "databaseName is the name on the server of the source or of the policy: set database.name instead",
                field=".databaseName",
            ),
            Rule(
                "!has(self.database) || !has(self.database.instance)",
                "a snapshot of RDS is restored into a new instance or cluster: set target.rds instead",
                field=".database.instance",
            ),
            *(
                Rule(
                    f"!has(self.rds) || !has(self.{field})",
                    f"rds makes a new instance or cluster: leave {field} out",
                    field=f".{field}",
                )
                for field in ("database", "policyRef", "databaseName")
            ),
            Rule(
                "!has(self.rds) || !has(self.create) || !self.create",
                "rds makes a new instance or cluster: leave create out",
                field=".create",
            ),
        )
    )

    policy_ref: PolicyReference | None = Field(
        None,
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
        description="A BackupPolicy in this namespace: restore into the database that it backs up, with its Secret. "
        "Default: the database that the backup was taken of.",
    )
    database: Database | None = Field(
        None,
        description="The database to restore into, if no policy names it. It has the fields of a policy's "
        "spec.database.",
    )
    database_name: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00]+$",
        json_schema_extra=says("must not contain a NUL character"),
        description="Another database on the same server. Default: the database of the policy or of the backup.",
    )
    rds: RDSTarget | None = Field(
        None,
        description="The new instance or cluster that a snapshot of Amazon RDS is restored into. Required for a "
        "backup of method aws-rds, and only for one.",
    )
    create: bool = Field(
        False, description="Whether to create the database if the server does not have it. Default: false."
    )
    environment: Environment | None = Field(
        None,
        description="What the target is for: dev, staging or production. A restore into production waits for "
        "spec.confirm. If a BackupPolicy or the backup says production, this field cannot change that. Default: what "
        "the BackupPolicy of the target or the backup says.",
    )


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
        description="Whether to restore the roles, owners and grants in the backup: None, IfMissing (create the "
        "roles that are missing, without password and login; restore owners and grants as far as the target's user "
        "has the right; warn about the rest) or Require (the restore fails, before anything is switched, unless it "
        "can restore all of them). Only for postgresql. Default: None.",
    )
    owner: str | None = Field(
        None,
        min_length=1,
        max_length=63,
        pattern=r"^[^\x00]+$",
        json_schema_extra=says("must not contain a NUL character"),
        description="Role that will own all restored objects, whoever owned them before. The role must exist, or "
        "globals must create it. Only for postgresql. Default: as globals says, else the user who restores.",
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
        description="Name of a Secret in this namespace with the age identity that decrypts the backup. Default: "
        "age-identity, if the backup is encrypted.",
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


class DatabaseRestoreSpec(SpecModel):
    """What to restore, where to and how. Only confirm may change later."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _IMMUTABLE,
            Rule(
                "!has(self.source.bucket) || (has(self.target) && (has(self.target.database) || "
                "has(self.target.policyRef)))",
                "a backup in a bucket does not say how to reach a database: set target.database or target.policyRef",
                field=".target",
            ),
            *(
                Rule(
                    f"!has(self.target) || !has(self.target.rds) || !has(self.{field})",
                    f"RDS restores a whole snapshot into a new instance or cluster: leave {field} out",
                    field=f".{field}",
                )
                for field in ("mode", "options", "afterRestore")
            ),
            Rule(
                "!has(self.source.replacedBy) || !has(self.target)",
                "replacedBy puts a database back in its own place: leave target out",
                field=".target",
            ),
            Rule(
                "!has(self.source.replacedBy) || !has(self.options)",
                "replacedBy puts a whole database back, without reading a backup: leave options out",
                field=".options",
            ),
            Rule(
                "!has(self.source.replacedBy) || !has(self.mode)",
                "mode has no effect with replacedBy, which keeps the database that it moves away: leave mode out",
                field=".mode",
            ),
            Rule(
                "!has(self.source.replacedBy) || !has(self.safetyBackup)",
                "replacedBy loses nothing, so that no safety backup is taken: leave safetyBackup out",
                field=".safetyBackup",
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
            *(
                Rule(
                    f"!has(self.source.replacedBy) || !has(self.{field})",
                    f"{field} has no effect with replacedBy, which puts a database back as it was: leave it out",
                    field=f".{field}",
                )
                for field in ("afterRestore", "maskingWaived")
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
