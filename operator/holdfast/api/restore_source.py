"""Where a restore takes the backup from: a resource, a policy's backups, a bucket, or what another one replaced."""

from pydantic import ConfigDict, Field

from holdfast.api.backup import PolicyReference
from holdfast.api.base import ObjectName, Rule, SpecModel, left_out, rules, says
from holdfast.api.release import Purpose
from holdfast.api.storage import S3Storage


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
            *left_out(
                "has(self.policyRef)",
                "{field} chooses among a policy's backups, so it needs policyRef: leave it out",
                *("purpose", "before", "includeSuspicious"),
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
