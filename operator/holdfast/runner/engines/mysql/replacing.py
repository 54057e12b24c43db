"""Replaces a database: the restored one is made and looked at beside it, then its tables take the places of the old."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.contract.task import Beside
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import target_needs, target_rights
from holdfast.runner.engines.mysql.code import Definition
from holdfast.runner.engines.mysql.exchange import Exchange
from holdfast.runner.engines.mysql.schemas import KEPT, PENDING, Schema
from holdfast.runner.engines.protocol import Switched
from holdfast.sentences import few

if TYPE_CHECKING:
    from holdfast.runner.engines.mysql.source import MySQL

_NAMED = 5
_OUTSIDE = """
select distinct concat(k.table_schema, '.', k.table_name) from information_schema.key_column_usage k
where k.referenced_table_schema = database() and k.table_schema <> database() limit 100
"""
_MERGED = """
select table_name from information_schema.tables where table_schema = database() and engine = 'MRG_MyISAM' limit 100
"""
_OURS = f"""
select table_name from information_schema.tables
where table_schema = database() and table_name in ('{KEPT}', '{PENDING}')
"""  # noqa: S608 - our own words
_HAS_LIBRARIES = """
select 1 from information_schema.tables where table_schema = 'information_schema' and table_name = 'LIBRARIES'
"""
_LIBRARIES = "select library_name from information_schema.libraries where library_schema = database() limit 100"


@dataclass
class Replacing:
    """See protocol.Landing."""

    source: "MySQL"
    names: Beside

    def __post_init__(self) -> None:
        self._asleep: set[str] = set()
        self._following: list[Definition] = []

    @property
    def _exchange(self) -> Exchange:
        target = self.source.schema
        names = self.names
        old = target.beside(names.old)
        fresh, warnings = target.beside(names.fresh), self.source.warnings
        return Exchange(target, fresh, old, self._asleep, warnings, self._following)

    def done(self) -> Switched | None:
        """See Landing. Raises TargetNotReady, and the connection's errors: it is the first that is asked."""
        self.source.schema.reach()
        return Switched(self.names.old, None) if self._exchange.done() else None

    def opened(self) -> AbstractContextManager["MySQL"]:
        """See Landing. Raises TargetNotReady where it would not go to its end, before anything is fetched."""
        return self._opened()

    @contextmanager
    def _opened(self) -> Iterator["MySQL"]:
        exchange = self._exchange
        target = exchange.target
        require_served(target)
        target_rights.require(target, [self.names.fresh, self.names.old])
        exchange.incoming.drop()  # of an earlier Pod
        try:
            exchange.incoming.make(*target.charset())
            there = [each.definer for each in target.code()]
            fresh = self.source.at(exchange.incoming.target, self._asleep, self._following)
            target_needs.require_definers(fresh.schema.target, [name for name in there if name], target.stop)
            yield fresh
        except BaseException:
            after = exchange.unstopped()
            if not after.done():
                after.incoming.drop()
            raise

    def switch(self) -> Switched:
        """See Landing."""
        require_served(self._exchange.incoming)
        return Switched(self.names.old, self._exchange.make())


def require_served(schema: Schema) -> None:
    """Refuse by name what cannot be swapped whole. Raises TargetNotReady."""
    doing = "asking for what cannot be swapped"
    outside = [row[0] for row in schema.run([_OUTSIDE], doing)]
    if outside:
        what = (
            "tables of other databases have foreign keys to it, which would still refer to the old tables: "
            f"{few(outside, _NAMED)}"
        )
        raise _not_served(schema, what, "drop these foreign keys, and create them again after the restore")
    merged = [row[0] for row in schema.run([_MERGED], doing)]
    if merged:
        what = f"it has MERGE tables, which name their tables together with the database: {few(merged, _NAMED)}"
        raise _not_served(schema, what, "drop these tables, and create them again after the restore")
    libraries = [row[0] for row in schema.run([_LIBRARIES], doing)] if schema.run([_HAS_LIBRARIES], doing) else []
    if libraries:
        what = f"it has libraries: {few(libraries, _NAMED)}"
        raise _not_served(
            schema,
            what,
            "restore into a database with another name (target.databaseName), and let the application use that one",
        )
    ours = [row[0] for row in schema.run([_OURS], doing)]
    if ours:
        raise _not_served(
            schema, f"it has tables with names that Holdfast itself needs: {', '.join(ours)}", "rename these tables"
        )


def _not_served(schema: Schema, what: str, remedy: str) -> HoldfastError:
    return HoldfastError(
        Reason.TARGET_NOT_READY,
        f"{schema.target} cannot be replaced in one step: {what}",
        f"{remedy}; nothing was changed",
    )


def swapped_back(target: Schema, kept: str, old: str, warnings: list[str]) -> Switched:
    """See protocol.Source."""
    target.reach()
    exchange = Exchange(target, target.beside(kept), target.beside(old), warnings=warnings)
    if exchange.done():
        return Switched(old, None)
    if KEPT not in exchange.incoming.tables():
        raise HoldfastError(
            Reason.DATABASE_NOT_FOUND,
            f"the server has no database {kept!r} that a restore has kept and that could be put back as "
            f"{target.target}",
            "look with SHOW DATABASES: Holdfast removes a kept database after keepReplacedHours; nothing was changed",
        )
    require_served(target)
    target_rights.require(target, [kept, old])
    return Switched(old, exchange.make())


def dropped(target: Schema, names: list[str]) -> list[str]:
    """See protocol.Source."""
    target.reach()
    there = [name for name in names if target.beside(name).is_there()]
    for name in there:
        target.beside(name).drop()
    return there


def made(target: Schema, character_set: str | None, collation: str | None) -> None:
    """Make the target, as the one that was dumped; where that is not known, as the server makes one."""
    target.reach()
    if not target.is_there():
        target.make(character_set, collation)
