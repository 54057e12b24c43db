"""`python -m holdfast.process.paste < backup.json`: what to paste to restore without an operator.

Of a dump, `--image IMAGE` names what restores it; of a snapshot, the commands are those of AWS's own client.

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
from holdfast.manifests import restore_dump, restore_snapshot
from holdfast.manifests.jobs import Owner, Runner
from holdfast.sentences import explain
from holdfast.untrusted import mapping, moment, needed, word

MOST_BYTES = 4 << 20  # of what is read: etcd holds no larger object


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the command; return the exit code: 1 where there are no commands, and why is said."""
    parser = argparse.ArgumentParser(
        prog="python -m holdfast.process.paste",
        description="Print the commands that restore a DatabaseBackup, which is read as JSON from standard input.",
    )
    parser.add_argument("--image", help="of a dump: the runner's image for the database's engine and version")
    parser.add_argument("--region", help="of a snapshot: the region of its copy, to restore that one")
    given = parser.parse_args(arguments)
    try:
        sys.stdout.write(commands(sys.stdin.buffer.read(MOST_BYTES), given.image, given.region) + "\n")
    except HoldfastError as error:
        sys.stderr.write(f"{explain(error)}\n")
        return 1
    return 0


def commands(document: bytes, image: str | None = None, region: str | None = None) -> str:
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
    if begun.resolved.method is Method.AWS_RDS:
        return _of_snapshot(name, begun, region)
    if image is None or region is not None:
        raise _unreadable(f"{name} is a dump", "give --image, and no --region: a dump is restored by a runner's image")
    policy = word(mapping(mapping(body.get("spec")).get("policyRef")).get("name")) or None
    owner = Owner(naming.BACKUP_KIND, needed(meta, "namespace"), name, begun.uid, policy)
    return restore_dump.restore_command(owner, begun, Runner(image, "IfNotPresent", {}))


def _of_snapshot(name: str, begun: Begun, region: str | None) -> str:
    """Return the commands for the snapshot, or for its copy in that region."""
    taken, instance = begun.status.snapshot, begun.resolved.database.instance
    if taken is None or region in (None, taken.region):
        return restore_snapshot.restore_command(begun.backup_id, taken, instance)
    if taken.copy_in is None or taken.copy_in.region != region:
        there = f", and a copy in {taken.copy_in.region}" if taken.copy_in else ", and no copy"
        raise _unreadable(
            f"{name} has a snapshot in {taken.region}{there}", "give --region one of these, or leave it out"
        )
    return restore_snapshot.restore_command(begun.backup_id, taken, instance, elsewhere=True)


def _read(document: bytes) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(document))
    except ValueError as error:
        raise _unreadable("standard input is not a JSON document") from error


def _unreadable(what: str, remedy: str = "give the output of kubectl get databasebackup NAME -o json") -> HoldfastError:
    return HoldfastError(Reason.INVALID_SPEC, what, remedy)


if __name__ == "__main__":
    sys.exit(main())
