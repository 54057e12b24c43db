"""Compares a restore's target with what the manifest says a restore needs, before any of the dump is fetched.

Nothing of the manifest's statements is used: they are made anew, quoted, for the target's own name and version.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.contract.needs import MAX_NEEDS, ManifestNeed, NeedKind, sentence, what_it_is
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import needs as asked
from holdfast.runner.engines.postgres import rights, server
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.errors import connection_error
from holdfast.runner.engines.postgres.needs import NAMED
from holdfast.runner.engines.postgres.statements import in_one, statement
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few, shorten
from holdfast.texts import plain

if TYPE_CHECKING:
    from psycopg import Connection

_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # no server has such a name, and none can be asked about it
# Who may do on managed servers what elsewhere only a superuser may; which of it, their own documentation says.
_ALMIGHTY = ("rds_superuser", "cloudsqlsuperuser", "azure_pg_admin", "alloydbsuperuser")
_MIGHT = """
select r.rolsuper or exists (select from pg_catalog.pg_roles m where m.rolname = any(%s)
    and pg_catalog.pg_has_role(m.oid, 'member')),
  pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
from pg_catalog.pg_roles r where r.rolname = current_user
"""
_ROLES = "select rolname::text from pg_catalog.pg_roles where rolname = any(%s)"
_INSTALLED = "select extname::text, extversion from pg_catalog.pg_extension where extname = any(%s)"
_AVAILABLE = """
select e.name::text, pg_catalog.bool_or((pg_catalog.to_jsonb(v) ->> 'trusted')::bool or not v.superuser)
from pg_catalog.pg_available_extensions e
  left join pg_catalog.pg_available_extension_versions v on v.name = e.name and v.version = e.default_version
where e.name = any(%s) group by 1
"""
_WRAPPERS = """
select fdwname::text, pg_catalog.has_foreign_data_wrapper_privilege(oid, 'USAGE')
from pg_catalog.pg_foreign_data_wrapper where fdwname = any(%s)
"""
_SCHEMAS = """
select nspname::text from pg_catalog.pg_namespace
where nspname !~ '^pg_' and nspname not in ('information_schema', 'public') order by 1 limit 1000
"""
# Limits that a role, the database or the server sets, and that would end a restore; what lifts each.
LIMITS = {
    "statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0", "transaction_timeout": "0", "default_transaction_read_only": "off",
    "array_nulls": "on",
}  # fmt: skip
# What the session began with, whatever was set since. A whole server that is set read-only is a fence that somebody
# put up: only a role's or a database's setting is lifted.
_LIMITS = """
select name, reset_val from pg_catalog.pg_settings where name = any(%s)
  and (name <> 'default_transaction_read_only' or source in ('database', 'user', 'database user'))
"""


@dataclass
class Found:
    """What the target lacks."""

    missing: list[str] = field(default_factory=list)  # without which the restore cannot succeed
    run: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    anew: bool = False  # the target itself must be made anew


class Survey:
    """The database that is restored into."""

    def __init__(self, connection: "Connection[tuple[Any, ...]]", database: str, needs: Sequence[ManifestNeed]) -> None:
        self._connection, self._database = connection, database
        self._needs = [need for need in needs[:MAX_NEEDS] if not _NO_TEXT.search(need.name + (need.of or ""))]
        self._major = connection.info.server_version // 10000
        self._found = Found()
        self._locale = {n.name: n.value or "" for n in self._of(NeedKind.LOCALE)}
        might = self._rows(_MIGHT, list(_ALMIGHTY))
        self._almighty, self._creates = might[0] if might else (False, False)

    def lacks(self, replaces: bool = False) -> Found:
        """Return what is lacking. `replaces`: it will have the settings and the comment of the one that it replaces."""
        self._version()
        self._database_itself()
        self._roles()
        self._extensions()
        self._privileges()
        self._settings()
        if replaces:
            self._found.warnings.clear()
        for need in self._of(NeedKind.TABLESPACE):
            self._found.warnings.append(one_line(sentence(need), 300))
        return self._found

    def _rows(self, query: str, *values: list[str]) -> asked.Rows:
        return self._connection.execute(query.encode(), values).fetchall()

    def _of(self, kind: NeedKind) -> list[ManifestNeed]:
        return [need for need in self._needs if need.is_of(kind)]

    def _statement(self, need: ManifestNeed) -> str | None:
        return statement(need, self._database, self._major, self._locale)

    def _lacks(self, need: ManifestNeed, why: str) -> None:
        """Record that the restore cannot succeed without it."""
        self._found.missing.append(f"{what_it_is(need)} {why}")
        if run := self._statement(need):
            self._found.run.append(run)

    def _version(self) -> None:
        for need in self._of(NeedKind.SERVER_VERSION):
            least = need.value or ""
            if least.isascii() and least.isdigit() and self._major < int(least[:9]):
                wants = f"the dump was written for PostgreSQL {least[:9]} or newer"
                self._found.missing.append(f"{wants}, and the server is PostgreSQL {self._major}")

    def _database_itself(self) -> None:
        for row, encoding, comment in self._connection.execute(asked.DATABASE.encode()).fetchall():
            for need in self._of(NeedKind.ENCODING):
                if need.name != encoding:
                    self._lacks(need, f"is the encoding of the dump, but the target has {encoding}")
                    self._found.anew = True
            there = asked.locale_of(json.loads(row))
            other = [
                f"{name} is {there.get(name, 'not set')} instead of {value}"
                for name, value in self._locale.items()
                if name != "version" and there.get(name, "") != value
            ]
            if other and not self._found.anew:
                self._found.warnings.append(
                    one_line(f"the target sorts and compares text differently: {', '.join(other)}", 300)
                )
            self._told(need for need in self._of(NeedKind.COMMENT) if _differs(comment, need.value))

    def _roles(self) -> None:
        wanted = self._of(NeedKind.ROLE)
        there = {row[0] for row in self._rows(_ROLES, [need.name for need in wanted])} if wanted else set()
        for need in wanted:
            if need.name not in there:
                self._lacks(need, "does not exist")

    def _extensions(self) -> None:
        wanted = self._of(NeedKind.EXTENSION)
        names = [need.name for need in wanted]
        installed: dict[str, str] = dict(self._rows(_INSTALLED, names)) if wanted else {}
        available: dict[str, bool] = dict(self._rows(_AVAILABLE, names)) if wanted else {}
        for need in wanted:
            version = (need.value or "").partition(",")[0]
            if need.name in installed:
                if version not in ("", installed[need.name]):
                    self._found.warnings.append(
                        one_line(
                            f"{what_it_is(need)} has version {installed[need.name]} in the target, but had {version} "
                            "in the backup",
                            300,
                        )
                    )
            elif need.name not in available:
                self._found.missing.append(
                    f"{what_it_is(need)} is not available on the server: install its package there first"
                )
                self._found.run += [self._statement(need) or ""]
            elif not (self._almighty or (self._creates and available[need.name])):
                self._lacks(need, "does not exist in the target, and this user has no right to create it")

    def _privileges(self) -> None:
        wanted = self._of(NeedKind.PRIVILEGE)
        wrappers = [need.of for need in wanted if need.of]
        usable: dict[str, bool] = dict(self._rows(_WRAPPERS, wrappers)) if wrappers else {}
        coming = bool(self._found.run)  # with an extension that an administrator has to make first
        for need in () if self._almighty else wanted:
            if need.of and not usable.get(need.of, not coming):
                self._lacks(need, "is a right that this user lacks")
            elif need.name == "superuser":
                self._found.missing.append(
                    f"only a superuser may create what the dump has: {need.value or 'something'}"
                )

    def _settings(self) -> None:
        rows, _ = asked.ask(self._connection, asked.SETTINGS)
        there = asked.settings_of(rows)
        self._told(
            need
            for need in self._of(NeedKind.DATABASE_SETTING)
            if _differs(there.get((need.of or "", need.name)), need.value)
        )

    def _told(self, lacking: Iterable[ManifestNeed]) -> None:
        said = [one_line(sentence(need, self._statement(need)), 300) for need in lacking]
        more = [f"and {len(said) - NAMED * 2} more, see needs in manifest.json"] if len(said) > NAMED * 2 else []
        self._found.warnings += [*said[: NAMED * 2], *more]


def _differs(there: str | None, wanted: str | None) -> bool:
    """Tell whether it is not what is wanted; what was too long for a manifest is only wanted to be there."""
    return there is None or wanted not in (None, there)


@dataclass(frozen=True)
class Seen:
    """What a target was seen to have and to lack."""

    schemas: list[str] = field(default_factory=list)
    limits: dict[str, str] = field(default_factory=dict)
    lacking: Found = field(default_factory=Found)


def look(where: Target, stop: Stop, needs: Sequence[ManifestNeed] | None, replaces: bool = False) -> Seen:
    """Ask the target; about nothing that is needed where the manifest does not know.

    Raises HoldfastError (exit 3), and TargetNotReady of a replica.
    """
    import psycopg  # late: see server.connect

    try:
        with server.connect(where, stop) as connection, server.answering(connection, where, stop):
            rights.user(connection, where)
            lacking = Found() if needs is None else Survey(connection, where.database, needs).lacks(replaces)
            return Seen(schemas(connection), limits(connection), lacking)
    except psycopg.Error as error:
        raise connection_error(one_line(str(error), 600), where) from error


def schemas(connection: "Connection[tuple[Any, ...]]") -> list[str]:
    """Return the schemas that are there already, as an administrator who made an extension left them."""
    return [str(row[0]) for row in connection.execute(_SCHEMAS.encode()).fetchall()]


def limits(connection: "Connection[tuple[Any, ...]]") -> dict[str, str]:
    """Return the settings that a restore's session must lift, since the server or the role sets them."""
    rows = connection.execute(_LIMITS.encode(), [list(LIMITS)]).fetchall()
    return {str(name): LIMITS[name] for name, setting in rows if setting != LIMITS[name]}


def require(found: Found, where: str, replaces: bool = False) -> None:
    """Raise TargetNotReady where something is lacking without which the restore cannot succeed.

    `replaces`: nobody else can make anything in the target, which is there only while the restore runs.
    """
    if not found.missing:
        return
    what = few([shorten(plain(each), 300) for each in found.missing], NAMED, "; ")
    runs = [each for each in found.run if each and (not found.anew or each.startswith("CREATE DATABASE"))]
    run = shorten(plain(in_one(runs[:NAMED])), 1500)
    place = "drop the empty target and create it again, with its OWNER" if found.anew else "connect to the target"
    if replaces and run and not run.startswith("CREATE ROLE"):
        place = (
            "mode Replace creates the database anew: restore with a user who may run this, or use mode Refuse with "
            "an empty database"
        )
        remedy = f"{place} in which an administrator has run it: {run}"
    else:
        remedy = f"as an administrator, {place}: {run}; then restore again" if run else _without_statement(found)
    raise HoldfastError(
        Reason.TARGET_NOT_READY,
        f"{where} lacks what the restore needs: {what}; nothing was changed",
        remedy,
    )


def _without_statement(found: Found) -> str:
    if any(each.startswith("only a superuser") for each in found.missing):
        return "restore with a user who is a superuser on the target, if you trust whoever made the dump"
    return "restore into a server of that version or newer"
