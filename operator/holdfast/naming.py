"""Names, labels and keys: everything that other tools may select or look up by, in one place.

Names of children are deterministic, so that a restarted operator finds what it made and never makes it twice.
"""

import hashlib
import re
from collections.abc import Container, Mapping
from datetime import datetime

GROUP = "holdfast.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
BACKUP_KIND = "DatabaseBackup"
POLICY_KIND = "BackupPolicy"
RESTORE_KIND = "DatabaseRestore"

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "holdfast"
COMPONENT = "app.kubernetes.io/component"
LABEL_BACKUP = f"{GROUP}/backup"
LABEL_BACKUP_UID = f"{LABEL_BACKUP}-uid"
LABEL_POLICY = f"{GROUP}/policy"
LABEL_RESTORE = f"{GROUP}/restore"
LABEL_TASK = f"{GROUP}/task"
LABEL_ATTEMPT = f"{GROUP}/attempt"

# By the owner's kind, the label that names it on its Jobs and their Pods; beside it stands one with the owner's uid.
OWNER_LABELS: Mapping[str, str] = {
    BACKUP_KIND: LABEL_BACKUP,
    RESTORE_KIND: LABEL_RESTORE,
    POLICY_KIND: LABEL_POLICY,
}

# On a Job: the user name of who made it. The chart's admission policy sees that nobody writes another's.
ANNOTATION_MADE_BY = f"{GROUP}/made-by"
ANNOTATION_VERIFY = f"{GROUP}/verify"  # on a DatabaseBackup: [LEVEL/]TOKEN, each new value asks for a verification

# Of what AWS keeps for us: nothing is ever deleted there that does not carry the first with the backup's uid.
TAG_BACKUP_UID = LABEL_BACKUP_UID
TAG_NAMESPACE = f"{GROUP}/namespace"
TAG_BACKUP = LABEL_BACKUP
TAG_BACKUP_ID = f"{GROUP}/backup-id"
TAG_POLICY = LABEL_POLICY

MANIFEST_NAME = "manifest.json"
IDENTITY_SECRET = "age-identity"  # where a restore looks for an identity, unless its reader names another Secret
MAX_NAME = 63  # of a label's value and of a Job, whose name becomes a label of its Pods


def child_name(parent: str, uid: str, role: str, attempt: int = 1) -> str:
    """Name a child of a resource: readable, at most 63 characters, the same for the same parent, role and attempt."""
    digest = hashlib.sha256(f"{uid}/{role}/{attempt}".encode()).hexdigest()[:10]
    stem = parent[: MAX_NAME - len(role) - len(digest) - 2].rstrip("-.").replace(".", "-")
    return f"{stem}-{role}-{digest}"


def label_value(name: str) -> str:
    """Fit a resource's name into a label's value (63 characters); a longer one keeps its head and a hash."""
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: MAX_NAME - 9].rstrip('-.')}-{digest}"


def uid_label(kind: str) -> str:
    """Return the label that holds the uid of an owner of that kind."""
    return f"{OWNER_LABELS[kind]}-uid"


def backup_id(moment: datetime, label: str | None, uid: str, taken: Container[str]) -> str:
    """Make `backup-YYYYMMDD-HHMMSS[-label]` (UTC); where that is taken, the uid's first characters follow."""
    plain = "-".join(filter(None, ["backup", moment.strftime("%Y%m%d-%H%M%S"), label]))
    return plain if plain not in taken else f"{plain}-{uid.replace('-', '')[:8]}"


def key_prefix(prefix: str | None, namespace: str, owner: str, identifier: str) -> str:
    """Return the folder of one backup in its bucket: `prefix/namespace/policy-or-backup/id/`, ending in a slash."""
    return "/".join([*filter(None, [(prefix or "").strip("/")]), namespace, owner, identifier, ""])


def snapshot_name(identifier: str, uid: str) -> str:
    """Name the snapshot of a backup: its id and the uid's first half, the same for the same backup.

    RDS takes letters, digits and single hyphens, and of a cluster's snapshot no more than 63:
    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBClusterSnapshot.html
    """
    tail = uid.replace("-", "")[:16]
    head = re.sub("-+", "-", f"{MANAGER}-{identifier}")[: MAX_NAME - len(tail) - 1].rstrip("-")
    return f"{head}-{tail}"
