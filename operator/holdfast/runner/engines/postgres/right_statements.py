"""The statements that give an object its owner and its rights. Pure.

An object stands in them as the target's own server names it (Found.identity), never as a backup does.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.contract.globals import GlobalDefaults, GlobalGrant, Globals, GlobalSetting
from holdfast.runner.engines.postgres.owned import COLUMN, Found
from holdfast.runner.engines.postgres.statements import identifier, set_value

# By the kind that pg_identify_object_as_address names: what ALTER calls it, and what GRANT does.
_WORDS = {
    "table": ("TABLE", "TABLE"),
    "view": ("VIEW", "TABLE"),
    "materialized view": ("MATERIALIZED VIEW", "TABLE"),
    "foreign table": ("FOREIGN TABLE", "TABLE"),
    "sequence": ("SEQUENCE", "SEQUENCE"),
    "function": ("ROUTINE", "ROUTINE"),
    "procedure": ("ROUTINE", "ROUTINE"),
    "aggregate": ("ROUTINE", "ROUTINE"),
    "type": ("TYPE", "TYPE"),
    "schema": ("SCHEMA", "SCHEMA"),
    "language": ("LANGUAGE", "LANGUAGE"),
    "foreign-data wrapper": ("FOREIGN DATA WRAPPER", "FOREIGN DATA WRAPPER"),
    "server": ("SERVER", "FOREIGN SERVER"),
    "large object": ("LARGE OBJECT", "LARGE OBJECT"),
    "collation": ("COLLATION", None),
    "conversion": ("CONVERSION", None),
    "operator": ("OPERATOR", None),
    "operator class": ("OPERATOR CLASS", None),
    "operator family": ("OPERATOR FAMILY", None),
    "text search configuration": ("TEXT SEARCH CONFIGURATION", None),
    "text search dictionary": ("TEXT SEARCH DICTIONARY", None),
    "statistics object": ("STATISTICS", None),
    "publication": ("PUBLICATION", None),
    "event trigger": ("EVENT TRIGGER", None),
}


@dataclass(frozen=True)
class On:
    """What is granted on, as GRANT and REVOKE name it."""

    what: str  # e.g. TABLE "shop"."orders"
    column: str | None = None

    def rights(self, grants: Iterable[GlobalGrant], owner: str, exists: frozenset[str]) -> Iterator[str]:
        """Give the statements that leave it with these rights; those of roles that do not exist are left out."""
        if self.column is None:
            yield f"REVOKE ALL ON {self.what} FROM PUBLIC"
        for grant in grants:
            if grant.to_owner:
                yield f"REVOKE ALL ON {self.what} FROM {identifier(owner)}"
            if grant.to is not None and grant.to not in exists:
                continue
            to = identifier(owner) if grant.to_owner else "PUBLIC" if grant.to is None else identifier(grant.to)
            for privileges, more in ((grant.privileges, ""), (grant.grantable, " WITH GRANT OPTION")):
                if privileges:
                    yield f"GRANT {self._listed(privileges)} ON {self.what} TO {to}{more}"

    def _listed(self, privileges: Iterable[str]) -> str:
        part = "" if self.column is None else f" ({identifier(self.column)})"
        return ", ".join(f"{privilege}{part}" for privilege in privileges)


def on_object(found: Found, column: str | None = None) -> On | None:
    """Return what rights on it, or on a column of it, are granted on; None where there are no rights on its kind."""
    kind = found.object.kind
    if kind.endswith(COLUMN):
        column, kind = found.object.names[-1], kind.removesuffix(COLUMN)
    word = _WORDS.get(kind, (None, None))[1]
    return On(f"{word} {found.identity}", column) if word else None


def owning(found: Found, owner: str) -> str | None:
    """Return how it gets another owner; None of a kind that has none."""
    word = _WORDS.get(found.object.kind, (None, None))[0]
    return f"ALTER {word} {found.identity} OWNER TO {identifier(owner)}" if word else None


def default_rights(of: GlobalDefaults, exists: frozenset[str]) -> Iterator[str]:
    """Give the statements for what a role will make."""
    where = f" IN SCHEMA {identifier(of.of_schema)}" if of.of_schema else ""
    alter = f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(of.role)}{where}"
    made = On(of.kind.upper()).rights(of.grants, of.role, exists)
    for number, statement in enumerate(made):
        if number or not of.of_schema:  # in one schema rights are only added
            yield f"{alter} {statement}"


def database_settings(found: Globals, database: str) -> Iterator[tuple[GlobalSetting, str]]:
    """Give each setting of the database, and the statement for it."""
    for setting in found.settings:
        whose = f"ROLE {identifier(setting.role)} IN " if setting.role else ""
        yield setting, f"ALTER {whose}DATABASE {identifier(database)} SET {set_value(setting.name, setting.value)}"
