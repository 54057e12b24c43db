"""The operator's own settings: one JSON file that the chart writes. A wrong one ends the start, naming the field."""

from pathlib import Path

from pydantic import Field, ValidationError

from holdfast.api import beyond
from holdfast.api.base import SpecModel
from holdfast.api.job import JobTemplate
from holdfast.api.storage import Storage
from holdfast.errors import HoldfastError, Reason


class Defaults(SpecModel):
    """What is in force where a policy says nothing."""

    storage: Storage = Storage()
    job: JobTemplate = JobTemplate()


class Queue(SpecModel):
    """How many backups run at once; the others wait."""

    max_running: int = Field(10, ge=1, le=100_000, description="Most backups that run at once, of all namespaces.")
    max_running_per_server: int = Field(
        1, ge=0, le=1000, description="Most backups that run at once of one server, RDS instance or claim; 0: no limit."
    )


class Settings(SpecModel):
    """What the chart's values say to the operator."""

    images: dict[str, str] = Field(
        description="Runner images by key: the engine and its major version, e.g. postgres-17."
    )
    defaults: Defaults = Defaults()
    queue: Queue = Queue()
    watch_namespaces: list[str] = Field([], description="Namespaces to watch; none means all.")
    proxy: dict[str, str] = Field({}, description="HTTP_PROXY and the like, for the Jobs too.")
    image_pull_policy: str = "IfNotPresent"
    retention_grace_seconds: int = Field(
        3600, ge=0, description="How long after its creation retention leaves a backup alone."
    )
    own_user: bool = Field(True, description="Whether Jobs name the images' own user; OpenShift gives them another.")


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
    if found := beyond.trouble(settings.defaults.storage, settings.defaults.job):
        field, sentence = found
        raise HoldfastError(
            Reason.INVALID_SPEC, f"settings {path}: defaults.{field} {sentence}", "correct the chart's values"
        )
    return settings
