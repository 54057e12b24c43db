"""The operator's own settings: one JSON file that the chart writes. A wrong one ends the start, naming the field."""

from pathlib import Path

from pydantic import Field, ValidationError

from holdfast.api import beyond
from holdfast.api.base import SpecModel
from holdfast.api.job import JobTemplate
from holdfast.api.storage import STORE_SAYS, S3Storage, Storage, StoreName
from holdfast.errors import HoldfastError, Reason


class Defaults(SpecModel):
    """What is in force where a policy says nothing."""

    storage: Storage = Storage()
    job: JobTemplate = JobTemplate()


class Queue(SpecModel):
    """How many backups run at once; the others wait."""

    max_running: int = Field(10, ge=1, le=100_000, description="Most backups that run at once, of all namespaces.")
    max_running_per_server: int = Field(
        1,
        ge=0,
        le=1000,
        description="Most backups that run at once of one server, RDS instance or claim. 0 means no limit.",
    )


class Deletion(SpecModel):
    """How long a DatabaseBackup that somebody has deleted is held up for its data."""

    let_go_seconds: int = Field(
        900,
        ge=30,
        le=86_400,
        description="Seconds after which the resource of a deleted backup is removed, even if its data is not "
        "deleted yet.",
    )
    max_running: int = Field(
        20, ge=1, le=1000, description="Most Jobs that run at once to delete the data of deleted backups."
    )


class MigrationGate(SpecModel):
    """Whether migration Jobs are held until there is a backup."""

    enabled: bool = False
    keep_seconds: int = Field(
        86_400,
        ge=0,
        le=31_536_000,
        description="Seconds for which retention keeps the backup of a migration after its Job has succeeded or is "
        "gone.",
    )


class Settings(SpecModel):
    """What the chart's values say to the operator."""

    images: dict[str, str] = Field(
        description="Runner images by key: the engine and its major version, e.g. postgres-17."
    )
    defaults: Defaults = Defaults()
    stores: dict[StoreName, S3Storage] = Field({}, description="Stores by the key that a policy names them by.")
    queue: Queue = Queue()
    deletion: Deletion = Deletion()
    migration_gate: MigrationGate = MigrationGate()
    watch_namespaces: list[str] = Field([], description="Namespaces to watch; none means all.")
    proxy: dict[str, str] = Field(
        {}, description="Proxy settings (HTTP_PROXY and the like), for the operator and the Jobs."
    )
    image_pull_policy: str = "IfNotPresent"
    retention_grace_seconds: int = Field(
        3600, ge=0, description="Seconds after its creation in which retention does not delete a backup."
    )
    own_user: bool = Field(True, description="Whether Jobs set the images' own user id. On OpenShift they must not.")


def load(path: Path) -> Settings:
    """Read the settings file. Raises HoldfastError that names the file and the field."""
    try:
        settings = Settings.model_validate_json(path.read_text())
    except OSError as error:
        raise HoldfastError(
            Reason.INVALID_SPEC, f"settings {path}: {error.strerror}", "mount the chart's ConfigMap at this path"
        ) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise HoldfastError(
            Reason.INVALID_SPEC, f"settings {path}: {where}: {first['msg']}", "correct the chart's values"
        ) from error
    if found := _trouble(settings):
        field, sentence = found
        raise HoldfastError(Reason.INVALID_SPEC, f"settings {path}: {field} {sentence}", "correct the chart's values")
    return settings


def _trouble(settings: Settings) -> tuple[str, str] | None:
    """Return what no model says of the settings: the field's path, and the sentence."""
    default, defaults = settings.defaults.storage.store, settings.defaults
    if found := beyond.trouble(defaults.storage, defaults.job):
        return f"defaults.{found[0]}", found[1]
    if default is not None and default not in settings.stores:
        return "defaults.storage.store", f"names a store that the value stores lacks: {default}"
    if default is not None and defaults.storage.s3.of_a_store():
        return "defaults.storage.store", f"contradicts defaults.storage.s3: {STORE_SAYS}"
    return next(filter(None, (_of_a_store(key, s3) for key, s3 in settings.stores.items())), None)


def _of_a_store(key: str, s3: S3Storage) -> tuple[str, str] | None:
    if s3.bucket is None:
        return f"stores.{key}.bucket", "is missing: a store is a bucket"
    if found := beyond.trouble(Storage(s3=s3), JobTemplate()):
        return f"stores.{key}.{found[0].removeprefix('storage.s3.')}", found[1]
    return None
