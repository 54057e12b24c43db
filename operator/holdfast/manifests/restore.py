"""What `status.restore` says: shell commands that restore the backup when they are pasted, as they stand.

They make a Job of the runner that fetches the artifact, compares its checksum, and feeds it into an empty database.
The Job's manifest is JSON in an unquoted here-document, so that the shell fills in the target where one is set.
"""

import json
from typing import Any

from holdfast import naming
from holdfast.api.backup import DatabaseBackupStatus
from holdfast.api.database import Database
from holdfast.manifests import restore_snapshot, tasks
from holdfast.manifests.jobs import LOG_SECONDS, Owner, Runner, pod_spec, seat
from holdfast.manifests.volumes import (
    CLAIM,
    database_volumes,
    identity_volume,
    needs_scratch,
    run_volume,
    scratch_volume,
    storage_volumes,
)

_SERVER = ("host", "port", "database")  # what may be changed where the target is on a server,
_FILE = ("claim", "path")  # and where it is a file
_MOUNTED = "@"
_IDENTITY = "@identity"

_NEEDS_IDENTITY = """\
# It is encrypted: an identity of one of its recipients must be in Secret {secret} here, or in the one that
# IDENTITY_SECRET names: kubectl -n {namespace} create secret generic {secret} --from-file=identity=FILE
"""

# The log is followed as soon as there is one; the last command's exit code says whether the restore succeeded.
_COMMANDS = """\
# Restores {identifier} into {target}.
# For another target set {variables} first.
{needs}JOB=$(kubectl -n {namespace} create -o name -f - <<END
{manifest}
END
)
for try in $(seq 300); do kubectl -n {namespace} logs --follow $JOB 2>/dev/null && break; sleep 1; done
kubectl -n {namespace} wait --for=condition=Complete --timeout=30s $JOB"""


def restore_command(owner: Owner, status: DatabaseBackupStatus, runner: Runner) -> str:
    """Write what to paste. As it stands, it restores to where the dump came from, and refuses if that is not empty.

    A snapshot is restored by AWS alone, into a new instance.
    """
    database = tasks.resolved_of(status).database
    if status.snapshot is not None:
        return restore_snapshot.restore_command(status.backup_id or "", status.snapshot, database.instance)
    encrypted = tasks.resolved_of(status).storage.encryption is not None
    manifest = _escaped(json.dumps(_job(owner, status, runner), separators=(",", ":")))
    # Whole JSON strings are replaced: no name inside the task can look like one, since its quotes are escaped there.
    for target in _targets(database):
        manifest = manifest.replace(f'"{_argument(target)}"', f'"--target-{target}=$TARGET_{target.upper()}"')
    mounted, name = _mounted(database)
    variables = [f"TARGET_{target.upper()}" for target in _targets(database)]
    variables += [mounted] if mounted not in variables else []
    return _COMMANDS.format(
        identifier=status.backup_id,
        target=_target(database),
        variables=f"{', '.join(variables[:-1])} or {variables[-1]}",
        namespace=owner.namespace,
        needs=_NEEDS_IDENTITY.format(secret=naming.IDENTITY_SECRET, namespace=owner.namespace) if encrypted else "",
        manifest=manifest.replace(f'"{_MOUNTED}"', f'"${{{mounted}:-{name}}}"').replace(
            f'"{_IDENTITY}"', f'"${{IDENTITY_SECRET:-{naming.IDENTITY_SECRET}}}"'
        ),
    )


def _targets(database: Database) -> tuple[str, ...]:
    return _SERVER if database.volume is None else _FILE


def _mounted(database: Database) -> tuple[str, str]:
    """Return the variable that names another Secret or claim to mount, and the name where it is not set."""
    if database.volume is not None:
        return "TARGET_CLAIM", database.volume.claim_name
    return "TARGET_SECRET", database.reached().secret_name


def _target(database: Database) -> str:
    """Name the target in the comment; JSON's quoting keeps a line break in a name from ending the comment."""
    if database.volume is not None:
        path, claim = json.dumps(database.volume.path), database.volume.claim_name
        return f"file {path} of claim {claim}, where nothing must be yet"
    connection = database.reached()
    assert database.engine is not None
    where = (
        f"{connection.host}:{connection.port or database.engine.default_port}"
        if connection.host
        else f"Secret {connection.secret_name}'s server"
    )
    return f"database {json.dumps(database.name)} on {where}, which must be there and empty"


def _job(owner: Owner, status: DatabaseBackupStatus, runner: Runner) -> dict[str, Any]:
    """Build the restore's Job. It is the reader's, not the operator's: no owner, and it is not retried."""
    resolved = tasks.resolved_of(status)
    volumes = [*run_volume(), *database_volumes(resolved.database), *storage_volumes(resolved.storage.s3)]
    volumes += scratch_volume(resolved.job) if needs_scratch(resolved) else []
    volumes += identity_volume(_IDENTITY) if resolved.storage.encryption else []
    for volume in volumes:
        if volume["name"] == "database":
            volume["secret"]["secretName"] = _MOUNTED
        if volume["name"] == CLAIM:
            volume["persistentVolumeClaim"]["claimName"] = _MOUNTED
    work = tasks.restore_task(owner, status)
    arguments = [_argument(target) for target in _targets(resolved.database)]
    labels = {naming.LABEL_TASK: work.kind}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "restore-", "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": LOG_SECONDS,
            "template": {
                "metadata": {"labels": labels},
                "spec": pod_spec(work, volumes, resolved.job, runner, arguments, seat(resolved.database)),
            },
        },
    }


def _argument(target: str) -> str:
    """Name the argument whose value the reader's shell fills in; empty means: as the task says."""
    return f"--target-{target}=@"


def _escaped(text: str) -> str:
    """Keep the shell's hands off the document: in a here-document only these three mean something."""
    return text.replace("\\", "\\\\").replace("$", "\\$").replace("`", "\\`")
