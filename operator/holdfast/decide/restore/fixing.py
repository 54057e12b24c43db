"""What a restore is fixed to be before anything runs: its source, its target and its Job, with every default. Pure."""

from holdfast import naming
from holdfast.api.begun import Begun
from holdfast.api.database import Database
from holdfast.api.policy import Method
from holdfast.api.restore import DatabaseRestoreSpec, RestoreOptions
from holdfast.api.restore_status import Artifact, Chosen, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.api.storage import Storage
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import masking, snapshots, stored
from holdfast.decide.restore.observation import Former, Observation
from holdfast.decide.restore.source import Choice
from holdfast.decide.restore.stored import Fixed, Stored
from holdfast.decide.restore.target import (
    MOST_SERVER,
    Target,
    in_words,
    job_of,
    refused,
    safety_storage,
    synthetic,
    target_of,
)
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

KEEP_HOURS = 24
MOST_FILE = 200  # bytes of a file's name: ext4 takes 255


def of_backup(o: Observation, choice: Choice, begun: Begun, settings: Settings) -> Fixed:
    """Fix the restore of a backup that the cluster knows. Raises HoldfastError."""
    source = begun.resolved
    spec = o.restore.spec
    if source.method is Method.AWS_RDS:
        return snapshots.of_backup(spec, choice, begun)
    if spec.target is not None and spec.target.rds is not None:
        raise refused(
            f"DatabaseBackup {choice.name} is a dump, and target.rds is for a snapshot of RDS",
            "name a database: target.database, target.policyRef or target.databaseName",
        )
    target = target_of(o, source, settings)
    if target.database.engine is not source.database.engine:
        raise refused(
            f"the backup has engine {source.database.engine}, but the target has {target.database.engine}",
            "restore into a database of the same engine",
        )
    where = Stored(source.storage.s3, begun.key_prefix, _artifact(begun), begun.status.server_major, source.environment)
    identity = naming.IDENTITY_SECRET if source.storage.encryption is not None else None
    resolved = _resolved(o, spec, where, target, identity)
    return Fixed(stored.of_backup(choice, begun), in_words(target.database), resolved)


def of_bucket(o: Observation, settings: Settings) -> Fixed:
    """Fix the restore of what lies in a bucket. Raises HoldfastError."""
    bucket = o.restore.spec.source.bucket
    assert bucket is not None
    asked = o.restore.spec.target
    if asked is not None and asked.rds is not None:
        return snapshots.of_bucket(o.restore.spec, bucket, asked.rds, asked.environment, settings)
    target = target_of(o, None, settings)
    storage = resolve(synthetic(target.database, Storage(s3=bucket.s3), None), settings).storage
    resolved = _resolved(o, o.restore.spec, stored.in_bucket(storage, bucket), target, None)
    return Fixed(stored.of_folder(storage, bucket), in_words(target.database), resolved)


def of_former(o: Observation, former: Former) -> Fixed:
    """Fix how a replaced database is put back. Raises HoldfastError."""
    reference, was, told = o.restore.spec.source.replaced_by, former.status.resolved, former.status.replaced
    assert reference is not None
    if was is None or told is None:
        raise HoldfastError(
            Reason.SOURCE_NOT_GOOD,
            f"DatabaseRestore {reference.name} has replaced no database",
            "name a DatabaseRestore with mode Replace that has Succeeded and has status.replaced: only that can be "
            "undone",
        )
    removal = former.status.removal
    if removal is not None and told.name in removal.names:
        raise HoldfastError(
            Reason.SOURCE_NOT_GOOD,
            f"the database that DatabaseRestore {reference.name} replaced is no longer kept: "
            f"{removal.message or removal.state}",
            "restore a backup instead",
        )
    if told.name != names(was.database, reference.name, former.uid)[1]:
        raise HoldfastError(
            Reason.SOURCE_NOT_GOOD,
            f"the status of DatabaseRestore {reference.name} names {told.name}, a name that it never gives",
            "find out who writes statuses in this namespace",
        )
    _, old = names(was.database, o.restore.name, o.restore.uid)
    environment = {}
    if was.environment:
        because = f"DatabaseRestore {reference.name} restored into a database of {was.environment}"
        environment = {"environment_because": because}
    chosen = Chosen(restore=reference.name, because=f"that restore replaced {told.name}")
    update: dict[str, object] = {
        "mode": RestoreMode.REPLACE,
        "fresh": None,
        "old": old,
        "kept": told.name,
        "keep_hours": _keep(o.restore.spec),
        "after_restore": None,
        "never_unmasked_of": [],
        "job": job_of(o.restore.spec, was.job),
        **environment,
    }
    return Fixed(chosen, former.status.target or in_words(was.database), was.model_copy(update=update))


def _keep(spec: DatabaseRestoreSpec) -> int:
    return KEEP_HOURS if spec.keep_replaced_hours is None else spec.keep_replaced_hours


def _resolved(
    o: Observation,
    spec: DatabaseRestoreSpec,
    where: Stored,
    target: Target,
    identity: str | None,
) -> ResolvedRestore:
    database = target.database
    options, mode = spec.options or RestoreOptions(), spec.mode or RestoreMode.REFUSE
    fresh, old = names(database, o.restore.name, o.restore.uid) if mode is RestoreMode.REPLACE else (None, None)
    return ResolvedRestore(
        s3=where.s3,
        folder=where.folder,
        artifact=where.artifact,
        server_major=where.server_major,
        database=database,
        create=bool(spec.target and spec.target.create),
        mode=mode,
        content=options.content,
        globals=options.globals,
        owner=options.owner,
        tables=options.tables or [],
        jobs=options.jobs or 1,
        identity_secret=options.identity_secret_name or identity,
        fresh=fresh,
        old=old,
        keep_hours=_keep(spec),
        job=target.job,
        environment=target.environment,
        environment_because=target.because,
        source_environment=where.environment,
        never_unmasked_of=masking.never_unmasked(spec, target.environment, options.content),
        after_restore=spec.after_restore,
        safety_storage=safety_storage(target),
    )


def names(database: Database, restore: str, uid: str) -> tuple[str, str]:
    """Return the names beside the target's that are this restore's; of a file, in its own folder."""
    if database.volume is None:
        return naming.beside(database.name or "", restore, uid, MOST_SERVER)
    folder, slash, name = database.volume.path.rpartition("/")
    fresh, old = naming.beside(name, restore, uid, MOST_FILE)
    return folder + slash + fresh, folder + slash + old


def _artifact(begun: Begun) -> Artifact:
    """Take over what the resource remembers of its artifact; an older one may lack some of it."""
    resolved, status = begun.resolved, begun.status
    return Artifact(
        sha256=status.sha256,
        size_bytes=status.size_bytes,
        uncompressed_bytes=status.uncompressed_bytes,
        engine=resolved.database.engine,
        format=resolved.dump and resolved.dump.format,
        compression=resolved.dump and resolved.dump.compression.algorithm,
        encryption="age" if resolved.storage.encryption else "none",
        globals_sha256=status.globals.sha256 if status.globals else None,
    )
