"""What restores a dump where there is no operator: shell commands, to paste as they stand (process/paste.py).

They make a Job of the runner that fetches the artifact, compares its checksum, and feeds it into an empty database;
then they follow that Job to its end (restore_script.py). The Job's manifest is JSON in an unquoted here-document,
so that the shell fills in the target where one is set; nothing else in it means anything to a shell (shell.py).
"""

import json
import re
from typing import Any

from holdfast import naming
from holdfast.api.backup import MAX_COMMANDS
from holdfast.api.begun import Begun
from holdfast.api.database import Database
from holdfast.api.job import LOG_SECONDS
from holdfast.manifests import shell, tasks
from holdfast.manifests.jobs import Owner, Runner, failure_policy, pod_template, seat
from holdfast.manifests.restore_script import COMMANDS
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

_BY_HAND = "Restore from the bucket by hand, as docs/how-to/restore.md says."
_NEEDS_IDENTITY = """\
# The backup is encrypted: the identity of one of its recipients must be in Secret {secret} here, or in the one that
# IDENTITY_SECRET names: kubectl -n {namespace} create secret generic {secret} --from-file=identity=FILE
"""


def restore_command(owner: Owner, begun: Begun, runner: Runner) -> str:
    """Write what to paste. As it stands, it restores to where the dump came from, and refuses if that is not empty."""
    database = begun.resolved.database
    variable, mounted = _mounted(database)
    for what, text in (("the namespace", owner.namespace), ("the name of the Secret or claim", mounted)):
        if not shell.is_name(text):
            return shell.no_commands(begun.backup_id, what, _BY_HAND)
    encrypted = begun.resolved.storage.encryption is not None
    variables = list(dict.fromkeys([*(f"TARGET_{target.upper()}" for target in _targets(database)), variable]))
    values = {
        "backup": shell.shown(begun.backup_id),
        "target": _target(database),
        "variables": f"{', '.join(variables[:-1])} or {variables[-1]}",
        "namespace": owner.namespace,
        "needs": _NEEDS_IDENTITY.format(secret=naming.IDENTITY_SECRET, namespace=owner.namespace) if encrypted else "",
        "manifest": _manifest(_job(owner, begun, runner), database),
    }
    commands = re.sub(r"<([a-z]+)>", lambda found: values[found[1]], COMMANDS).rstrip("\n")
    if len(commands) > MAX_COMMANDS:  # the API server would refuse the whole status
        what = "the length of its Job (job.podAnnotations, most often)"
        return shell.no_commands(begun.backup_id, what, _BY_HAND)
    return commands


def _targets(database: Database) -> tuple[str, ...]:
    return _SERVER if database.volume is None else _FILE


def _mounted(database: Database) -> tuple[str, str]:
    """Return the variable that names another Secret or claim to mount, and the name where it is not set."""
    if database.volume is not None:
        return "TARGET_CLAIM", database.volume.claim_name
    return "TARGET_SECRET", database.reached().secret_name


def _target(database: Database) -> str:
    """Name the target in the comment."""
    if database.volume is not None:
        path, claim = shell.document(database.volume.path), database.volume.claim_name
        return f"file {path} of claim {claim}, which must not exist yet"
    connection = database.reached()
    where = (
        f"{shell.shown(connection.host)}:{connection.port or database.dumped_engine().default_port}"
        if connection.host
        else f"Secret {connection.secret_name}'s server"
    )
    return f"database {shell.document(database.name)} on {where}, which must exist and be empty"


def _manifest(job: dict[str, Any], database: Database) -> str:
    """Write the Job, with the shell's variables where its reader may name something else.

    Places are marked by more "@" than there are in a row in all the rest, so that no text of a tenant's is one.
    """
    mark = "@" * (1 + max(map(len, re.findall("@+", json.dumps(job))), default=0))
    variable, mounted = _mounted(database)
    filled = {f"--target-{each}=": f"--target-{each}=${{TARGET_{each.upper()}:-}}" for each in _targets(database)}
    filled |= {"mounted": f"${{{variable}:-{mounted}}}"}
    filled |= {"identity": f"${{IDENTITY_SECRET:-{naming.IDENTITY_SECRET}}}"}
    pod = job["spec"]["template"]["spec"]
    pod["containers"][0]["args"] = [f"{mark}--target-{each}=" for each in _targets(database)]
    for volume in pod["volumes"]:
        match volume["name"]:
            case "database":
                volume["secret"]["secretName"] = f"{mark}mounted"
            case "age-identity":
                volume["secret"]["secretName"] = f"{mark}identity"
            case name if name == CLAIM:
                volume["persistentVolumeClaim"]["claimName"] = f"{mark}mounted"
    return re.sub(f'"{mark}([a-z=-]+)"', lambda found: f'"{filled[found[1]]}"', shell.document(job))


def _job(owner: Owner, begun: Begun, runner: Runner) -> dict[str, Any]:
    """Build the restore's Job. It is the reader's, not the operator's: no owner, and it is not retried.

    Its Pod has all that the policy gives to the Pods of its backups. A Pod that was evicted is made again, as theirs.
    """
    resolved = begun.resolved
    volumes = [*run_volume(), *database_volumes(resolved.database), *storage_volumes(resolved.storage.s3)]
    volumes += scratch_volume(resolved.job) if needs_scratch(resolved) else []
    volumes += identity_volume(naming.IDENTITY_SECRET) if resolved.storage.encryption else []
    work = tasks.restore_task(owner, begun)
    labels: dict[str, str] = {naming.LABEL_TASK: work.kind}
    template = pod_template(labels, work, volumes, resolved.job, runner, seated=seat(resolved.database))
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "restore-", "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "podFailurePolicy": failure_policy(),
            "ttlSecondsAfterFinished": LOG_SECONDS,
            "template": template,
        },
    }
