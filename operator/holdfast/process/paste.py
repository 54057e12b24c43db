"""`python -m holdfast.process.paste --image IMAGE < backup.json`: what to paste to restore without an operator.

It reads a DatabaseBackup as `kubectl get -o json` writes it, asks nobody, and prints what to paste into a shell.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupStatus, is_good
from holdfast.api.begun import Begun
from holdfast.api.policy import Method
from holdfast.errors import HoldfastError, Reason
from holdfast.manifests.jobs import Owner, Runner
from holdfast.manifests.restore_dump import restore_command
from holdfast.sentences import explain
from holdfast.untrusted import mapping, moment, needed, word

MOST_BYTES = 4 << 20  # of what is read: etcd holds no larger object


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the command; return the exit code: 1 where there are no commands, and why is said."""
    parser = argparse.ArgumentParser(
        prog="python -m holdfast.process.paste",
        description="Print the commands that restore a DatabaseBackup, which is read as JSON from standard input.",
    )
    parser.add_argument("--image", required=True, help="the runner's image for the database's engine and version")
    image = parser.parse_args(arguments).image
    try:
        sys.stdout.write(commands(sys.stdin.buffer.read(MOST_BYTES), image) + "\n")
    except HoldfastError as error:
        sys.stderr.write(f"{explain(error)}\n")
        return 1
    return 0


def commands(document: bytes, image: str) -> str:
    """Return what to paste. Raises HoldfastError(InvalidSpec, SourceNotGood) where there is nothing."""
    body = _read(document)
    meta, status = mapping(body.get("metadata")), mapping(body.get("status"))
    name = word(meta.get("name"))
    if body.get("kind") != naming.BACKUP_KIND or not is_good(status):
        raise HoldfastError(
            Reason.SOURCE_NOT_GOOD,
            f"{word(body.get('kind')) or 'the document'} {name} is not a DatabaseBackup that has Succeeded",
            "give one that has Succeeded: kubectl get databasebackup NAME -o json",
        )
    try:
        read = DatabaseBackupStatus.model_validate(status)
    except ValidationError as error:
        raise _unreadable(f"the status of {name} cannot be read: {error.errors()[0]['msg']}") from error
    begun = Begun.of(needed(meta, "uid"), moment(meta.get("creationTimestamp")) or clock.EPOCH, read)
    if begun.resolved.method is not Method.DUMP:
        raise HoldfastError(Reason.SOURCE_NOT_GOOD, f"{name} is a snapshot", "run the commands in its status.restore")
    policy = word(mapping(mapping(body.get("spec")).get("policyRef")).get("name")) or None
    owner = Owner(naming.BACKUP_KIND, needed(meta, "namespace"), name, begun.uid, policy)
    return restore_command(owner, begun, Runner(image, "IfNotPresent", {}))


def _read(document: bytes) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(document))
    except ValueError as error:
        raise _unreadable("standard input is not a JSON document") from error


def _unreadable(what: str) -> HoldfastError:
    return HoldfastError(Reason.INVALID_SPEC, what, "give the output of kubectl get databasebackup NAME -o json")


if __name__ == "__main__":
    sys.exit(main())
