"""Where things lie in a Job's Pod: the operator mounts them, the runner finds them."""

CONTAINER = "runner"  # the container; admission may have put others beside it

TASK_VARIABLE = "HOLDFAST_TASK"  # the task, JSON
POD_UID_VARIABLE = "HOLDFAST_POD_UID"  # the Pod's uid: part of the artifact's key

CLIENT_VERSION = "/etc/holdfast/client-version"  # in a runner's image: of the package with the engine's tools

DATABASE_SECRET = "/etc/holdfast/database"  # one file per key of the Secret
DATABASE_CA = "/etc/holdfast/database-ca"
STORAGE_SECRET = "/etc/holdfast/storage"
STORAGE_CA = "/etc/holdfast/storage-ca"
AGE_IDENTITY = "/etc/holdfast/age-identity"  # only for the restore of an encrypted backup
AFTER_RESTORE = "/etc/holdfast/after-restore"  # the ConfigMap with SQL that a restore runs

RUN = "/run/holdfast"  # memory volume: credentials files that the runner writes, 0600
SCRATCH = "/scratch"  # only for what is staged: a directory dump, the copy of an SQLite file
SPOOL = "/spool"  # for parts of an upload that are too big for memory; its files have no names
VOLUME = "/volume"  # the claim that an SQLite file lies on

TERMINATION_LOG = "/dev/termination-log"  # the report
MAX_REPORT_BYTES = 4096  # the kubelet cuts a termination message there
GRACE_SECONDS = 30  # from SIGTERM to SIGKILL: time to abort an upload
