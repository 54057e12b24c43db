"""What `status.restore` says: a DatabaseRestore, as YAML, to apply as it stands or with another target.

Of a snapshot, its comments and the new name hold words that an endpoint has said: each matches AWS's own form, or there
is no resource at all. What a person has to fill in is a value that the API server refuses.
"""

from typing import Any

import yaml

from holdfast import naming
from holdfast.api.backup import Snapshot
from holdfast.api.begun import Begun
from holdfast.api.rds_target import MAX_IDENTIFIER
from holdfast.manifests import restore_snapshot
from holdfast.manifests.jobs import Owner

_OF_A_DUMP = """\
# Restores {what}: into the database that was backed up, if it is empty.
# mode: Replace puts it in the place of the old database; target: names another database.
"""
_OF_A_SNAPSHOT = """\
# Restores {what} into a new RDS {kind} with the identifier below, in {region}; {source} does not change.
# It gets the {taken} of {source}, unless you set them under rds.
"""
_COPY = """\
# For the copy in {region}: add region: {region}, and subnetGroup and securityGroups of that region, under rds.
"""
_NO_CLASS = """\
# Set instanceClass first, e.g. db.r6g.large: the snapshot of an Aurora cluster does not say it.
"""
_NONE = "# There is no resource that restores {what}: {unfit} does not allow any. {remedy}\n"
_TO_SET = "SET-ME"  # no class: the API server refuses it and says what one looks like


def of_dump(owner: Owner, backup_id: str) -> str:
    """Write it. Its comments hold nothing but the backup's id."""
    return _OF_A_DUMP.format(what=backup_id) + _written(owner, None)


def of_snapshot(owner: Owner, begun: Begun) -> str:
    """Write it, with a new name; or, where a word is unfit, a comment that says so."""
    taken, what = begun.status.snapshot, begun.backup_id
    unfit = restore_snapshot.unfit(what, taken, begun.resolved.database.instance)
    if taken is None or unfit is not None:
        named = what if restore_snapshot.is_known(what) else "this backup"
        return _NONE.format(what=named, unfit=unfit, remedy=restore_snapshot.REMEDY)
    rds: dict[str, Any] = {"identifier": naming.restored_instance(taken.source, what, MAX_IDENTIFIER)}
    head = _OF_A_SNAPSHOT.format(
        what=what, kind=taken.kind, region=taken.region, source=taken.source, taken=_taken(taken)
    )
    head += _COPY.format(region=taken.copy_in.region) if taken.copy_in else ""
    if taken.instance_class is None:
        head, rds = head + _NO_CLASS, rds | {"instanceClass": _TO_SET}
    return head + _written(owner, {"rds": rds})


def _taken(snapshot: Snapshot) -> str:
    """Name what is taken over from the source."""
    network = "subnet group and security groups"
    return f"class, {network}" if snapshot.instance_class else network


def _written(owner: Owner, target: dict[str, Any] | None) -> str:
    spec: dict[str, Any] = {"source": {"backupRef": {"name": owner.name}}}
    body = {
        "apiVersion": naming.API_VERSION,
        "kind": naming.RESTORE_KIND,
        "metadata": {"name": naming.restore_name(owner.name), "namespace": owner.namespace},
        "spec": spec | ({"target": target} if target else {}),
    }
    return yaml.safe_dump(body, sort_keys=False)
