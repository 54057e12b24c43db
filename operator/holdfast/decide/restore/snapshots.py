"""How the restore of a snapshot of Amazon RDS is fixed: a new instance or cluster, never one that is there. Pure."""

from holdfast.api.aws import strange_field
from holdfast.api.backup import Snapshot
from holdfast.api.begun import Begun, there
from holdfast.api.rds import InstanceKind, RDSInstance
from holdfast.api.rds_target import RDSTarget
from holdfast.api.restore_status import ResolvedRestore
from holdfast.decide.images import runner_image
from holdfast.decide.methods import snapshot
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

ANOTHER = "then create another DatabaseRestore"


def image(resolved: ResolvedRestore, settings: Settings) -> tuple[str, str]:
    """Return (key, image) of the runner that restores. Raises HoldfastError(ImageNotSet)."""
    if resolved.rds is not None:
        return snapshot.image(settings)
    return runner_image(resolved.database.dumped_engine(), settings, resolved.server_major)


def filled(name: str, begun: Begun, asked: RDSTarget) -> tuple[RDSTarget, str]:
    """Return what is to be made, with what is left out taken from the source; and the snapshot's ARN.

    Raises HoldfastError(InvalidSpec).
    """
    taken = there(begun.status.snapshot, "snapshot")
    source = begun.resolved.database.snapshotted()
    if (field := strange_field(taken)) is not None:
        raise HoldfastError(
            Reason.INVALID_SPEC,
            f"status.snapshot of DatabaseBackup {name} has a {field} that AWS never writes there",
            "find out who writes statuses in this namespace",
        )
    _require_new(asked, source)
    wanted = asked.model_copy(
        update={
            "instance_class": asked.instance_class or taken.instance_class,
            "subnet_group": asked.subnet_group or taken.subnet_group,
            "security_groups": asked.security_groups or taken.security_groups or None,
        }
    )
    _require_class(wanted, taken)
    return wanted, taken.arn


def _require_new(asked: RDSTarget, source: RDSInstance) -> None:
    if asked.identifier.lower() == source.identifier.lower():
        raise HoldfastError(
            Reason.INVALID_SPEC,
            f"target.rds.identifier is that of the {source.kind} that the snapshot was taken of, and RDS restores only "
            "into a new one",
            f"set target.rds.identifier to a name that is free; {ANOTHER}",
        )


def _require_class(wanted: RDSTarget, taken: Snapshot) -> None:
    if taken.kind == InstanceKind.CLUSTER.value and wanted.instance_class is None:
        raise HoldfastError(
            Reason.INVALID_SPEC,
            "the snapshot is of an Aurora cluster, and does not say of which class the instances were",
            f"set target.rds.instanceClass; {ANOTHER}",
        )


def in_words(kind: InstanceKind, wanted: RDSTarget, region: str) -> str:
    """Say what is made, as short as a column of a table asks for."""
    return f"RDS {kind} {wanted.identifier} in {region}"
