"""How the restore of a snapshot of Amazon RDS is fixed: a new instance or cluster, never one that is there. Pure."""

from dataclasses import dataclass

from holdfast.api.aws import strange_field
from holdfast.api.backup import Snapshot, SnapshotInRegion
from holdfast.api.begun import Begun, there
from holdfast.api.database import Database
from holdfast.api.job import JobTemplate
from holdfast.api.policy import BackupPolicySpec, Environment, Method
from holdfast.api.rds import InstanceKind, RDSInstance
from holdfast.api.rds_target import RDSTarget
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_source import BucketSource
from holdfast.api.restore_status import ResolvedRestore
from holdfast.api.restoring import Content, RestoreMode
from holdfast.api.storage import Storage
from holdfast.decide.images import runner_image
from holdfast.decide.methods import snapshot
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import masking, stored
from holdfast.decide.restore.source import Choice
from holdfast.decide.restore.stored import Fixed, Stored
from holdfast.decide.restore.target import job_of, refused
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

ANOTHER = "then create another DatabaseRestore"


def image(resolved: ResolvedRestore, settings: Settings) -> tuple[str, str]:
    """Return (key, image) of the runner that restores. Raises HoldfastError(ImageNotSet)."""
    if resolved.rds is not None:
        return snapshot.image(settings)
    return runner_image(resolved.database.dumped_engine(), settings, resolved.server_major)


@dataclass(frozen=True)
class _Made:
    """What is to be made, who asks for it and says what it is for, and from which snapshot."""

    instance: RDSInstance
    wanted: RDSTarget
    environment: Environment | None
    snapshot_arn: str | None  # None where only the manifest in the bucket says it

    @property
    def database(self) -> Database:
        """It, as a target."""
        return Database(instance=self.instance)


def of_backup(spec: DatabaseRestoreSpec, choice: Choice, begun: Begun) -> Fixed:
    """Fix which instance or cluster is made from the snapshot of a backup. Raises HoldfastError."""
    source, target = begun.resolved, spec.target
    if target is None or target.rds is None:
        raise refused(
            f"DatabaseBackup {choice.name} is a snapshot of RDS, from which a new instance or cluster is made",
            "set target.rds.identifier to the name of the new one",
        )
    if given := next((field for field in ("mode", "options", "afterRestore") if field in spec.to_dict()), None):
        raise refused(f"a snapshot of RDS is restored as a whole, and {given} has no meaning for it", "leave it out")
    where = Stored(source.storage.s3, begun.key_prefix, None, None, source.environment)
    made = _from_backup(choice.name, begun, target.rds, target.environment)
    return Fixed(stored.of_backup(choice, begun), _in_words(made), _resolved(spec, made, where, source.job))


def of_bucket(
    spec: DatabaseRestoreSpec, bucket: BucketSource, asked: RDSTarget, says: Environment | None, settings: Settings
) -> Fixed:
    """Fix what is made from the snapshot that a manifest names, of which nothing is known here."""
    wanted = asked.model_copy(update={"kind": asked.kind or InstanceKind.INSTANCE})
    made = _Made(_instance(wanted, None), wanted, says, None)
    policy = BackupPolicySpec(
        environment=Environment.DEV, method=Method.AWS_RDS, database=made.database, storage=Storage(s3=bucket.s3)
    )
    filled = resolve(policy, settings)
    where = stored.in_bucket(filled.storage, bucket)
    return Fixed(stored.of_folder(filled.storage, bucket), _in_words(made), _resolved(spec, made, where, filled.job))


def _resolved(spec: DatabaseRestoreSpec, made: _Made, where: Stored, job: JobTemplate) -> ResolvedRestore:
    """Write down what is made, and of which environment it is: as the resource says, else as the backup does."""
    said = made.environment
    environment, who = (said, "spec.target") if said else (where.environment, "the backup")
    return ResolvedRestore(
        s3=where.s3,
        folder=where.folder,
        database=made.database,
        rds=made.wanted,
        snapshot_arn=made.snapshot_arn,
        mode=RestoreMode.REFUSE,
        job=job_of(spec, job),
        environment=environment,
        environment_because=f"{who} says that the target is of {environment}" if environment else None,
        source_environment=where.environment,
        never_unmasked_of=masking.never_unmasked(spec, environment, Content.ALL),
    )


def _in_words(made: _Made) -> str:
    """Say what is made, as short as a column of a table asks for."""
    return f"RDS {made.instance.kind} {made.instance.identifier} in {made.instance.region}"


def _from_backup(name: str, begun: Begun, asked: RDSTarget, says: Environment | None) -> _Made:
    """Fix what is made from the snapshot of a backup; what is left out is the source's. Raises HoldfastError."""
    taken = there(begun.status.snapshot, "snapshot")
    source = begun.resolved.database.snapshotted()
    if (field := strange_field(taken)) is not None:
        raise HoldfastError(
            Reason.INVALID_SPEC,
            f"status.snapshot of DatabaseBackup {name} has a {field} that AWS never writes there",
            "find out who writes statuses in this namespace",
        )
    lies = _lies(taken, asked.region)
    if lies.region == source.region:
        _require_new(asked, source)
    wanted = _filled(asked, taken, lies)
    _require_class(wanted, taken)
    return _Made(_instance(wanted, source), wanted, says, lies.arn)


def _instance(wanted: RDSTarget, source: RDSInstance | None) -> RDSInstance:
    """Return what is made as RDS is asked about it; by whom the backup was taken, unless the restore names another."""
    secret, keys = wanted.secret_name, wanted.secret_keys
    if secret is None and source is not None:
        secret, keys = source.secret_name, source.secret_keys
    return RDSInstance(
        identifier=wanted.identifier,
        kind=there(wanted.kind, "target.rds.kind"),
        region=there(wanted.region, "target.rds.region"),
        secret_name=secret,
        secret_keys=keys,
        endpoint=wanted.endpoint or (source.endpoint if source else None),
    )


def _lies(taken: Snapshot, region: str | None) -> SnapshotInRegion:
    """Return the snapshot in a region, or its copy."""
    places: list[SnapshotInRegion] = [taken, *([taken.copy_in] if taken.copy_in else [])]
    found = next((each for each in places if region in (None, each.region)), None)
    if found is None:
        raise HoldfastError(
            Reason.INVALID_SPEC,
            f"target.rds.region is {region}, but the snapshot is in {' and '.join(each.region for each in places)}",
            f"set target.rds.region to a region where the snapshot or its copy is, or leave it out; {ANOTHER}",
        )
    return found


def _filled(asked: RDSTarget, taken: Snapshot, lies: SnapshotInRegion) -> RDSTarget:
    """Fill in what was the source's. Its network exists in its own region only: elsewhere it has to be said."""
    if lies.region != taken.region and not (asked.subnet_group and asked.security_groups):
        raise HoldfastError(
            Reason.INVALID_SPEC,
            f"the subnet group and the security groups of {taken.source} exist only in {taken.region}, and the restore "
            f"is into {lies.region}",
            f"set target.rds.subnetGroup and target.rds.securityGroups to those of {lies.region}; {ANOTHER}",
        )
    update = {
        "region": lies.region,
        "kind": InstanceKind(taken.kind),
        "instance_class": asked.instance_class or taken.instance_class,
        "subnet_group": asked.subnet_group or taken.subnet_group,
        "security_groups": asked.security_groups or taken.security_groups or None,
    }
    return asked.model_copy(update=update)


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
