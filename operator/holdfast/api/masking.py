"""What makes data fit for a lower environment: SQL that runs before anybody sees them, or the reason why none does."""

from typing import Annotated

from pydantic import Field

from holdfast.api.base import ObjectName, SecretKey, SpecModel, StatusModel, says
from holdfast.api.policy import Environment
from holdfast.texts import Plain

SCRIPT_KEY = "after-restore.sql"
_LEVELS = list(Environment)
"""From the lowest to the highest."""


class AfterRestore(SpecModel):
    """SQL that runs in the restored database before it is used."""

    sql_config_map_name: ObjectName = Field(
        description="Name of a ConfigMap in this namespace that has the SQL. The Job's database driver runs it, not "
        "a shell or a client program: commands such as \\i or SOURCE are errors. Do not put secrets into it."
    )
    key: SecretKey = Field(
        SCRIPT_KEY,
        json_schema_extra=says("must be a key as a ConfigMap has it: letters, digits, '-', '_' and '.'"),
        description=f"Key in the ConfigMap that has the SQL. Default: {SCRIPT_KEY}.",
    )


class AfterRestored(StatusModel):
    """The SQL that has run in the restored database."""

    sql_config_map_name: Plain = Field(max_length=253, description="Name of the ConfigMap.")
    key: Plain = Field(max_length=253, description="Key of the ConfigMap.")
    statements: int | None = Field(None, ge=0, description="Number of statements that have run. Absent if not known.")
    sha256: str | None = Field(
        None, max_length=64, description="SHA-256 of the SQL that has run, in hexadecimal. Absent if not known."
    )


MaskingWaived = Annotated[Plain, Field(min_length=1, max_length=512)]


def above(environment: Environment | None) -> list[Environment]:
    """Return the environments whose data are not for this one as they are.

    Of one that nobody names, it is known only that it is not production.
    """
    if environment is None:
        return [Environment.PRODUCTION]
    return _LEVELS[_LEVELS.index(environment) + 1 :]
