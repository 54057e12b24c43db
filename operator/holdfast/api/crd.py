"""The CustomResourceDefinitions, made from the models: `python -m holdfast.api.crd [--check] DIR`.

DIR is the root of the checkout. It writes `crds/`, the chart's copy of it and `docs/reference/resources.md`, or
with --check says which of them are stale. Nothing imports it at run time: the chart brings the definitions.
"""

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from holdfast import naming
from holdfast.api import generated, reference
from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus
from holdfast.api.base import MAX_POLICY_NAME
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus
from holdfast.api.schema import RULES, Schema, structural, without_input_rules

HEADER = "# Generated from operator/holdfast/api; do not edit: run `make generate`.\n"
FOLDERS = ("crds", "charts/holdfast/files/crds")
REFERENCE = Path("docs/reference/resources.md")


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; a wide one shows only with `-o wide`."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as the definition holds it."""
        plain = {"name": self.name, "type": self.type, "jsonPath": self.path, "description": self.description}
        return {**plain, "priority": 1} if self.wide else plain


@dataclass(frozen=True)
class Resource:
    """One kind, and what its definition needs beyond the models of its spec and status."""

    kind: str
    plural: str
    short: str
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    longest_name: int
    columns: tuple[Column, ...]
    selectable: tuple[str, ...]

    @property
    def name(self) -> str:
        """The definition's name, which is also its file's."""
        return f"{self.plural}.{naming.GROUP}"


# What stands in the status of a resource that nobody has looked at: to kstatus, one without any status is ready. No
# generation is less than 1, so this one is never the resource's own. https://fluxcd.io/flux/components/ has it too.
UNSEEN = {"observedGeneration": -1}

AGE = Column("Age", ".metadata.creationTimestamp", "Time since the resource was created.", type="date")

POLICY = Resource(
    kind="BackupPolicy",
    plural="backuppolicies",
    short="bpol",
    description="A BackupPolicy says which database to back up, how, where to, when, and how long to keep the "
    "backups. Its schedule creates a DatabaseBackup for each run. You may create other DatabaseBackups that refer to "
    "it.",
    spec=BackupPolicySpec,
    status=BackupPolicyStatus,
    longest_name=MAX_POLICY_NAME,
    columns=(
        Column("Environment", ".spec.environment", "What the database is for: dev, staging or production."),
        Column("Engine", ".spec.database.engine", "Database engine."),
        Column("Database", ".spec.database.name", "Name of the database on its server."),
        Column("Schedule", ".spec.schedule.cron", "When the policy takes backups by itself."),
        Column("Last Success", ".status.lastSuccess.completedAt", "Age of the last good backup.", type="date"),
        # a time that is still to come has no age: as a date it would be printed as <invalid>
        Column("Next", ".status.nextRuns[0]", "When the next backup begins."),
        Column("Kept", ".status.retention.kept", "Number of good backups in the store.", type="integer"),
        Column("Stored", ".status.retention.keptSize", "Size of the good backups in the store."),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the policy can be used for backups."),
        AGE,
        Column("Runs", ".status.schedule.message", "The schedule in a sentence.", wide=True),
    ),
    selectable=(".spec.environment",),
)

BACKUP = Resource(
    kind="DatabaseBackup",
    plural="databasebackups",
    short="dbb",
    description="A DatabaseBackup is one backup of one database. Holdfast takes the backup once, when this resource "
    "is created, as its BackupPolicy or its own spec says. The status has the result. For another backup, create "
    "another DatabaseBackup.",
    spec=DatabaseBackupSpec,
    status=DatabaseBackupStatus,
    longest_name=naming.MAX_NAME,
    columns=(
        Column("Policy", ".spec.policyRef.name", "BackupPolicy of the backup."),
        Column("Environment", ".status.resolved.environment", "What the database is for."),
        Column("Engine", ".status.resolved.database.engine", "Database engine."),
        Column(
            "Phase",
            ".status.phase",
            "State of the backup: Pending, Queued, Running, Succeeded, Failed, Verifying, Deleting or Expired.",
        ),
        Column("Size", ".status.size", "Size of the artifact as stored."),
        Column("Duration", ".status.duration", "How long the backup took."),
        Column("Warnings", ".status.warningCount", "Number of warnings, which are in the status.", type="integer"),
        Column("Expires", ".status.expires", "Day on which the backup expires."),
        AGE,
        Column(
            "Backup ID", ".status.backupID", "Unique id of the backup, which is also the name of its folder.", wide=True
        ),
        Column("Location", ".status.location", "Folder of the backup in the bucket.", wide=True),
        Column("Message", ".status.message", "State of the backup in one sentence.", wide=True),
    ),
    selectable=(".spec.policyRef.name", ".spec.purpose", ".status.phase"),
)

RESTORE = Resource(
    kind=naming.RESTORE_KIND,
    plural="databaserestores",
    short="dbr",
    description="A DatabaseRestore is one restore of one backup into one database. Holdfast restores once, when this "
    "resource is created, and compares the restored database with the backup. The status has the result. For another "
    "restore, create another DatabaseRestore.",
    spec=DatabaseRestoreSpec,
    status=DatabaseRestoreStatus,
    longest_name=naming.MAX_NAME,
    columns=(
        Column("Source", ".status.source.backupID", "Id of the backup that is restored."),
        Column("Target", ".status.target", "Database to restore into."),
        Column(
            "Phase",
            ".status.phase",
            "State of the restore: Pending, Queued, AwaitingConfirmation, Running, Succeeded or Failed.",
        ),
        Column("Rows", ".status.rows", "Number of restored rows, counted in the target.", type="integer"),
        Column("Duration", ".status.duration", "How long the restore took."),
        AGE,
        Column(
            "Mode",
            ".status.resolved.mode",
            "What to do if the target is not empty: Refuse, Replace or Into.",
            wide=True,
        ),
        Column("Replaced", ".status.replaced.name", "Name of the replaced database now.", wide=True),
        Column("Message", ".status.message", "State of the restore in one sentence.", wide=True),
    ),
    selectable=(".status.phase",),
)

RESOURCES = (POLICY, BACKUP, RESTORE)


def definition(resource: Resource) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind.

    The category is ours alone, not `all`: `kubectl delete all --all` must not sweep up the records of backups.
    """
    version = {
        "name": naming.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root_schema(resource)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.to_dict() for column in resource.columns],
        "selectableFields": [{"jsonPath": path} for path in resource.selectable],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.name},
        "spec": {
            "group": naming.GROUP,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short],
                "categories": [naming.MANAGER],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@functools.cache
def root_schema(resource: Resource) -> Schema:
    """Return the schema of a whole object: spec, status, and the rule on its name. Made once; nobody changes it."""
    limit = resource.longest_name
    name_rule = {
        "rule": f"self.metadata.name.size() <= {limit}",
        "message": f"the name of a {resource.kind} has at most {limit} characters",
        "fieldPath": ".metadata.name",
    }
    return {
        "description": resource.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": f"Always {naming.API_VERSION}.", "type": "string", "maxLength": 64},
            "kind": {"description": f"Always {resource.kind}.", "type": "string", "maxLength": 63},
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 253}},
            },
            "spec": structural(resource.spec),
            "status": {**without_input_rules(structural(resource.status)), "default": UNSEEN},
        },
        RULES: [name_rule],
    }


def render(resource: Resource) -> str:
    """Write the definition as YAML, the same for the same models."""
    return HEADER + yaml.dump(
        definition(resource), Dumper=yaml.CSafeDumper, sort_keys=False, width=120, allow_unicode=True
    )


def files() -> dict[Path, str]:
    """Return every generated file: its path in the checkout, and what it holds."""
    rendered = {f"{item.name}.yaml": render(item) for item in RESOURCES}
    definitions = {Path(folder, name): text for folder in FOLDERS for name, text in rendered.items()}
    return {**definitions, REFERENCE: reference.page([definition(item) for item in RESOURCES])}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the generated files; 1 when one is stale."""
    return generated.main("holdfast.api.crd", files(), arguments)


if __name__ == "__main__":
    sys.exit(main())
