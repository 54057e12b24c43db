"""Names, labels and keys: everything that other tools may select or look up by, in one place.

Names of children are deterministic, so that a restarted operator finds what it made and never makes it twice.
"""

import hashlib
import re
from collections.abc import Container, Mapping
from datetime import UTC, datetime

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
LABEL_SLOT = f"{GROUP}/slot"  # on a DatabaseBackup that a schedule has made: when it was due, UTC

# By the owner's kind, the label that names it on its Jobs and their Pods; beside it stands one with the owner's uid.
OWNER_LABELS: Mapping[str, str] = {
    BACKUP_KIND: LABEL_BACKUP,
    RESTORE_KIND: LABEL_RESTORE,
    POLICY_KIND: LABEL_POLICY,
}

# On a Job: the user name of who made it. The chart's admission policy sees that nobody writes another's.
ANNOTATION_MADE_BY = f"{GROUP}/made-by"
ANNOTATION_BACKUP_NOW = f"{GROUP}/backup-now"  # on a BackupPolicy, or a held Job: each new value asks for a backup
ANNOTATION_APPROVE = f"{GROUP}/approve-deletions"  # on a BackupPolicy: the hash of a held plan, which then goes on
# On what is of production, by who deletes it: the chart's guard asks for it. On a migration Job: the database's name,
# so that its rollback waits for nobody.
ANNOTATION_CONFIRM = f"{GROUP}/confirm"
LABEL_BACKUP_FIRST = f"{GROUP}/backup-first"  # on a Job of others: held until a backup of this policy has succeeded
LABEL_PURPOSE = f"{GROUP}/purpose"  # on a DatabaseBackup that was made for such a Job; beside it that Job's name
LABEL_MIGRATION = f"{GROUP}/migration"
LABEL_MIGRATION_UID = f"{LABEL_MIGRATION}-uid"  # and that Job's uid: its name may have been another Job's before
ANNOTATION_ON_FAILURE = f"{GROUP}/on-failure"  # on such a Job: `rollback` has its backup restored when it has failed
ANNOTATION_REVISION = f"{GROUP}/revision"  # on such a Job: which release it brings the database to
ANNOTATION_VERIFY = f"{GROUP}/verify"  # on a DatabaseBackup: [LEVEL/]TOKEN, each new value asks for a verification

# On a DatabaseBackup whose data is to go when somebody deletes it: until the data has gone, or cannot be had in time.
FINALIZER = f"{GROUP}/data"

# Of what AWS keeps for us: nothing is ever deleted there that does not carry the first with the backup's uid.
TAG_BACKUP_UID = LABEL_BACKUP_UID
TAG_RESTORE_UID = f"{GROUP}/restore-uid"
TAG_RESTORE = f"{GROUP}/restore"
TAG_NAMESPACE = f"{GROUP}/namespace"
TAG_BACKUP = LABEL_BACKUP
TAG_BACKUP_ID = f"{GROUP}/backup-id"
TAG_POLICY = LABEL_POLICY

LEASE_NAME = "holdfast-operator"  # in the operator's own namespace: who leads; Events about what left us are about it
MANIFEST_NAME = "manifest.json"
IDENTITY_SECRET = "age-identity"  # where a restore looks for an identity, unless its reader names another Secret
MAX_NAME = 63  # of a label's value and of a Job, whose name becomes a label of its Pods


def child_name(parent: str, uid: str, role: str, attempt: int = 1) -> str:
    """Name a child of a resource: readable, at most 63 characters, the same for the same parent, role and attempt."""
    digest = hashlib.sha256(f"{uid}/{role}/{attempt}".encode()).hexdigest()[:10]
    stem = parent[: MAX_NAME - len(role) - len(digest) - 2].rstrip("-.").replace(".", "-")
    return f"{stem}-{role}-{digest}"


def slot_name(policy: str, slot: datetime) -> str:
    """Name the backup that a policy's schedule makes at a slot, a whole minute: `orders-20261122-0200`, in UTC.

    In UTC since an hour that comes twice has two slots of one name in any other zone.
    """
    stamp = slot_label(slot)
    return f"{_shortened(policy, MAX_NAME - len(stamp) - 1)}-{stamp}"


def slot_label(slot: datetime) -> str:
    """Write a slot as its label and the end of its backup's name: `20261122-0200`, in UTC."""
    return slot.astimezone(UTC).strftime("%Y%m%d-%H%M")


def asked_name(policy: str, uid: str, request: str, number: int) -> str:
    """Name the backup that a policy's annotation asks for: the same for the same request of the same policy."""
    digest = hashlib.sha256(f"{uid}/{number}/{request}".encode()).hexdigest()[:10]
    return f"{_shortened(policy, MAX_NAME - len(digest) - 5)}-now-{digest}"


def migration_backup_name(job: str, uid: str, policy: str, request: str) -> str:
    """Name the backup that a migration Job waits for: the same for the same Job, policy and request."""
    digest = hashlib.sha256(f"{uid}/{policy}/{request}".encode()).hexdigest()[:10]
    return f"{_shortened(job, MAX_NAME - len(digest) - 8).replace('.', '-')}-before-{digest}"


def rollback_name(job: str, uid: str) -> str:
    """Name the DatabaseRestore that is made when a migration Job has failed: one for each Job."""
    digest = hashlib.sha256(uid.encode()).hexdigest()[:10]
    return f"{_shortened(job, MAX_NAME - len(digest) - 10).replace('.', '-')}-rollback-{digest}"


def _shortened(name: str, most: int) -> str:
    """Return the name, or where it is longer than that, its head and a hash of it."""
    if len(name) <= most:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: most - 9].rstrip('-.')}-{digest}"


def label_value(name: str) -> str:
    """Fit a resource's name into a label's value (63 characters); a longer one keeps its head and a hash."""
    return _shortened(name, MAX_NAME)


def uid_label(kind: str) -> str:
    """Return the label that holds the uid of an owner of that kind."""
    return f"{OWNER_LABELS[kind]}-uid"


def beside(database: str, restore: str, uid: str, most: int) -> tuple[str, str]:
    """Name the database that is restored into, and what the replaced one is called then: `orders_before_x_1a2b3c4d`.

    Each has at most `most` bytes, and ends in a hash of the restore's uid: the same for the same restore, no other's.
    """
    tail = f"_{hashlib.sha256(uid.encode()).hexdigest()[:8]}"
    return _beside(database, "_restoring", tail, most), _beside(database, f"_before_{restore}", tail, most)


def _beside(database: str, middle: str, tail: str, most: int) -> str:
    """Put it together; what is too long is cut: the middle first, then the database's own name, and never the hash."""
    middle = _cut(middle, max(16, most - len(tail.encode()) - len(database.encode())))
    return _cut(database, most - len((middle + tail).encode())) + middle + tail


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


def restore_name(backup: str) -> str:
    """Name the DatabaseRestore that a backup's status shows."""
    return f"{_shortened(backup, MAX_NAME - 8)}-restore"


def restored_instance(source: str, identifier: str, most: int) -> str:
    """Name the instance of RDS that a backup's status proposes: `orders-20261122-084500`, of its time in UTC.

    A backup's id holds its time; where another stands there, a hash of it follows. `source` is as RDS takes it.
    """
    found = re.match(r"backup-([0-9]{8}-[0-9]{6})(?![0-9])", identifier, re.ASCII)
    tail = found[1] if found else hashlib.sha256(identifier.encode()).hexdigest()[:10]
    return f"{source[: most - len(tail) - 1].rstrip('-')}-{tail}"


def undo_name(restore: str) -> str:
    """Name the DatabaseRestore that undoes another one."""
    return f"{_shortened(restore, MAX_NAME - 5)}-undo"


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
