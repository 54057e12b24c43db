"""Which database a restore goes into, how its Job runs there, and what that database is for. Pure."""

from dataclasses import dataclass

from holdfast.api.database import Database, Engine
from holdfast.api.job import JobTemplate
from holdfast.api.policy import BackupPolicySpec, Environment, Method
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_target import RestoreTarget
from holdfast.api.storage import Storage
from holdfast.decide.resolve import resolve
from holdfast.decide.restore.observation import Observation
from holdfast.decide.servers import database_of
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

MOST_SERVER = 63  # bytes of a database's name, as PostgreSQL has it


@dataclass(frozen=True)
class Target:
    """What is restored into, how its Job runs, and what it is for."""

    database: Database
    job: JobTemplate
    environment: Environment | None
    because: str | None
    storage: Storage  # of the policy that the database is of, or of the source


def target_of(o: Observation, source: BackupPolicySpec | None, settings: Settings) -> Target:
    """Return the target, how its Job runs, and what it is for."""
    target = o.restore.spec.target or RestoreTarget()
    if target.policy_ref is not None:
        if o.target_policy is None:
            raise HoldfastError(
                Reason.SOURCE_NOT_FOUND,
                f"the target's BackupPolicy {target.policy_ref.name} does not exist in this namespace",
                "correct target.policyRef, and create another DatabaseRestore",
            )
        base, says = resolve(o.target_policy, settings), f"BackupPolicy {target.policy_ref.name}"
    elif target.database is not None:
        storage = source.storage if source else _bucket(o)
        base, says = resolve(synthetic(target.database, storage, source.job if source else None), settings), None
    elif source is not None:
        base, says = source, "the backup"
    else:
        raise refused(
            "spec.target is missing, and a folder of a bucket has no database that it belongs to",
            "set target.policyRef or target.database",
        )
    if base.method is not Method.DUMP:
        raise refused("the target is an instance of RDS", "name a database: target.database with a connection")
    database = _renamed(base.database, target)
    environment, because = _environment(o, database, target, base.environment, says)
    return Target(database, job_of(o.restore.spec, base.job), environment, because, base.storage)


def _environment(
    o: Observation, database: Database, target: RestoreTarget, of_base: Environment, says: str | None
) -> tuple[Environment | None, str | None]:
    """Return what the target is for, and who says so: of production, where anybody does who may know."""
    said = [(target.environment, "spec.target")] if target.environment else []
    said += [(of_base, says)] if says else []
    into = database_of(o.restore.namespace, {"database": database.to_dict()})
    said += [(Environment.PRODUCTION, f"BackupPolicy {name}") for name, of in o.production if of == into]
    if not said:
        return None, None
    environment, who = next((each for each in said if each[0] is Environment.PRODUCTION), said[0])
    return environment, f"{who} says that the target is of {environment}"


def _bucket(o: Observation) -> Storage:
    bucket = o.restore.spec.source.bucket
    assert bucket is not None
    return Storage(s3=bucket.s3)


def synthetic(database: Database, storage: Storage, job: JobTemplate | None) -> BackupPolicySpec:
    """Make a policy of what is known, so that the defaults of every policy are filled in."""
    return BackupPolicySpec(environment=Environment.DEV, database=database, storage=storage, job=job or JobTemplate())


def _renamed(database: Database, target: RestoreTarget) -> Database:
    if target.database_name is None:
        return database
    if database.engine is Engine.SQLITE:
        raise refused(
            "target.databaseName names a database on a server, and an SQLite database is a file",
            "set target.database.volume to another claim or path instead",
        )
    if database.engine is Engine.POSTGRESQL and len(target.database_name.encode()) > MOST_SERVER:
        raise refused("the name of a PostgreSQL database has at most 63 bytes", "shorten target.databaseName")
    return database.model_copy(update={"name": target.database_name})


def in_words(database: Database) -> str:
    """Say which database it is, as short as a column of a table asks for."""
    if database.volume is not None:
        return f"{database.volume.path} on claim {database.volume.claim_name}"
    connection = database.reached()
    if connection.host is None:
        return f"{database.name} on the server in Secret {connection.secret_name}"
    return f"{database.name} on {connection.host}:{connection.port or database.dumped_engine().default_port}"


def safety_storage(target: Target) -> Storage | None:
    """Return where a backup of the target goes; what the store is that it names, is filled in by now."""
    if target.environment is not Environment.PRODUCTION:
        return None
    return target.storage.model_copy(update={"store": None})


def job_of(spec: DatabaseRestoreSpec, base: JobTemplate) -> JobTemplate:
    """Lay what the restore says of its Job over what the policy says."""
    given = {field: getattr(spec.job, field) for field in spec.job.model_fields_set} if spec.job else {}
    return base.model_copy(update={field: value for field, value in given.items() if value is not None})


def refused(message: str, remedy: str) -> HoldfastError:
    """Make the error of a resource that asks for what cannot be."""
    return HoldfastError(Reason.INVALID_SPEC, message, f"{remedy}; then create another DatabaseRestore")
