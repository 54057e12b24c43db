"""How a restore goes into its target: words that the resource, the task and the engines share."""

from enum import StrEnum


class RestoreMode(StrEnum):
    """What may be in the target before, and what becomes of it."""

    REFUSE = "Refuse"
    REPLACE = "Replace"
    INTO = "Into"


class GlobalsMode(StrEnum):
    """What of the backup's roles, owners and grants is restored."""

    NONE = "None"
    IF_MISSING = "IfMissing"
    REQUIRE = "Require"


class Content(StrEnum):
    """Which part of a dump is restored."""

    ALL = "All"
    SCHEMA = "Schema"
    DATA = "Data"
