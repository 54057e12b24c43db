"""Gives a restored database the roles, owners and rights that it is to have: in which order, and what stops it.

Roles are made before the dump is fed, since its policies name them; owners and rights are given once it was compared,
before it takes anybody's place. What cannot be done ends the restore before a byte of the dump flows, or, where it may
be left out, is a warning.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.api.restoring import GlobalsMode
from holdfast.contract.globals import Globals
from holdfast.contract.manifest import Manifest
from holdfast.contract.needs import NeedKind
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.given import NAMED, Plan, differs, listed, not_given
from holdfast.runner.engines.postgres import grants, role_plan, server
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.maintenance import Maintenance, refused
from holdfast.runner.engines.postgres.owners import Owners, done
from holdfast.runner.engines.postgres.role_plan import Step, There
from holdfast.runner.engines.postgres.statements import RESTORING_USER, in_one
from holdfast.runner.engines.postgres.target import limits
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import UncleanError
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few, shorten

if TYPE_CHECKING:
    from psycopg import Connection

SECONDS = 1800.0  # for all the owners and rights of a database
_WHAT = "owners and rights"
_MOST = 200  # characters of an item that is told
_ME = b"select rolname::text, rolsuper from pg_catalog.pg_roles where rolname = current_user"
_ROLES = b"select rolname::text from pg_catalog.pg_roles"
_MEMBERSHIPS = b"""
select g.rolname::text, r.rolname::text from pg_catalog.pg_auth_members m
  join pg_catalog.pg_roles g on g.oid = m.roleid join pg_catalog.pg_roles r on r.oid = m.member
"""
_SETTINGS = b"select pg_catalog.lower(name) from pg_catalog.pg_settings where context = 'user'"


@dataclass(frozen=True)
class Wanted:
    """What the restore asks for."""

    mode: GlobalsMode = GlobalsMode.NONE
    found: Globals | None = None  # the backup's; only where the mode wants it
    owner: str | None = None  # who is to own everything instead

    @property
    def strict(self) -> bool:
        """Whether all of it must be given."""
        return self.mode is GlobalsMode.REQUIRE


class Giving:
    """See engine.Giving."""

    def __init__(
        self, target: Target, wanted: Wanted, context: Context, replaced: Target | None, beside: Maintenance,
        warnings: list[str],
    ) -> None:  # fmt: skip
        """`replaced` is the database whose place it takes, if any: then it has what belongs to the database itself.

        `beside` reaches the server when the target has another name by then, or is gone; `warnings` gets what could not
        be given.
        """
        self._target, self._wanted, self._context, self._replaced = target, wanted, context, replaced
        self._beside, self._warnings = beside, warnings
        self._there: There | None = None
        self._plan = Plan[Step]()

    def require(self, manifest: Manifest) -> Manifest:
        """See engine.Giving. It is all tried, in a transaction that is rolled back."""
        found, owner = self._wanted.found, self._wanted.owner
        if found is None and owner is None:
            return manifest
        if found is not None:
            role_plan.checked(found)
        with self._connected("looking for the roles that it is to have") as connection:
            self._there = there = _there(connection)
            self._plan = role_plan.plan(found, there) if found else Plan[Step]()
            with connection.transaction(force_rollback=True):
                failed = _tried(connection, self._plan.steps)
                made = _made(self._plan.steps, failed)
                exists = there.roles | made
                owners = Owners(connection, found, owner, there, self._context.stop)
                not_givable = list(owners.not_givable(exists))
                database = [] if self._replaced else owners.database(self._target.database, exists)
        self._require([*self._plan.left_out, *_in_words(failed)], not_givable, database)
        return _without(manifest, made, settings=found is not None and self._replaced is None)

    @contextmanager
    def made(self) -> Iterator[None]:
        """See engine.Giving. Where it ends by an error, and not all could be taken back, both are told."""
        lent, left = self._make(), list[str]()
        try:
            try:
                yield
            finally:
                left = self._give_back(lent)
        except HoldfastError as error:
            if left:
                raise UncleanError(error, left[0], clean=True) from error  # of the bucket
            raise
        self._warnings += left

    def finish(self) -> list[str]:
        """See engine.Giving. Raises RestoreFailed, RestoreDiffers."""
        wanted = self._wanted
        if wanted.found is None and self._replaced is not None:
            told = wanted.owner is None
            self._warnings += grants.carry(self._replaced, self._target, self._context.stop, owners=told)
        if wanted.found is None and wanted.owner is None:
            return []
        with self._connected("giving owners and rights") as connection:
            there = _there(connection)
            owners = Owners(connection, wanted.found, wanted.owner, there, self._context.stop)
            not_owned = owners.objects()
            failed = [*not_owned, *owners.rights()]
            failed += [] if self._replaced else owners.database(self._target.database, there.roles)
            if wanted.owner and wanted.owner not in there.roles:  # somebody dropped it since require
                not_owned = failed = [f"the role {wanted.owner}, which should own everything, is gone", *failed]
            if failed and (wanted.strict or (wanted.owner and not_owned)):
                raise not_given(self._target, _WHAT, failed)
            self._tell("owners and rights could not be given", failed)
            if not wanted.strict:
                return []
            if differ := owners.differences():
                raise differs(
                    self._target, differ, "owners or rights in the target (event triggers, default privileges)"
                )
        return ["owners", "grants"]

    def _make(self) -> list[str]:
        """Make the roles, all of them in one transaction; return those that are this user's only meanwhile."""
        if not self._plan.steps and not self._plan.left_out:
            return []
        with self._connected("making the roles that it is to have") as connection, connection.transaction():
            failed = _tried(connection, self._plan.steps)
            if failed and self._wanted.strict:
                raise not_given(self._target, _WHAT, _in_words(failed))
        self._tell("of roles, memberships and settings is left out", [*self._plan.left_out, *_in_words(failed)])
        made = _made(self._plan.steps, failed)
        if names := [name for name in self._plan.cannot_log_in if name in made]:
            self._warnings.append(
                one_line(
                    f"roles were made without a password, and may not log in: {few(names, NAMED)}; ALTER ROLE … LOGIN "
                    "PASSWORD for each that an application uses",
                    600,
                )
            )
        return [role for role in self._plan.lent if role in made]

    def _give_back(self, lent: Sequence[str]) -> list[str]:
        """End the memberships that were for the restore alone, also after an error; return what failed, in words."""
        import psycopg  # late: see server.connect

        if not lent or self._there is None:
            return []
        try:
            with self._beside.asked(Stop()) as connection, connection.transaction():
                runs = role_plan.given_back(lent, self._there)
                failed = [why for run in runs if (why := done(connection, [run]))]
        except (HoldfastError, psycopg.Error) as error:
            failed = [one_line(str(error), 150)]
        return listed(f"this user is still a member of {few(lent, NAMED)}", failed, _MOST)

    @contextmanager
    def _connected(self, doing: str) -> "Iterator[Connection[tuple[Any, ...]]]":
        import psycopg

        stop = self._context.stop
        try:
            with (
                server.connect(self._target, stop) as connection,
                server.answering(connection, self._target, stop, SECONDS),
            ):
                for name, value in {**limits(connection), "search_path": ""}.items():
                    connection.execute(b"select pg_catalog.set_config(%s, %s, false)", [name, value])
                yield connection
        except psycopg.Error as error:
            raise refused(error, doing, self._target) from error

    def _require(self, lacking: list[str], owners: list[str], database: list[str]) -> None:
        """Raise TargetNotReady of what must be there and cannot be had."""
        wanted = self._wanted
        missing = [*lacking, *owners, *database] if wanted.strict else []
        if wanted.owner and not missing:
            missing = owners if wanted.found else [*owners, *database]
        if missing:
            what = few([shorten(each, 250) for each in missing], NAMED, "; ")
            raise HoldfastError(
                Reason.TARGET_NOT_READY,
                one_line(
                    f"{self._target} cannot get the requested roles, owners and rights: {what}; nothing was changed",
                    1500,
                ),
                self._remedy(),
            )

    def _remedy(self) -> str:
        run = shorten(one_line(in_one(self._plan.remedies), 1200), 900)
        rights = "" if self._there and self._there.superuser else (
            f"let the user who restores create roles (ALTER ROLE {RESTORING_USER} CREATEROLE), or make the user a "
            "member of the roles that will own something; "
        )  # fmt: skip
        first = f"as an administrator: {run}; " if run else ""
        return f"{first}{rights}then restore again, or leave out what cannot be given with options.globals IfMissing"

    def _tell(self, what: str, items: Sequence[str]) -> None:
        self._warnings += listed(what, items, _MOST)


def _there(connection: "Connection[tuple[Any, ...]]") -> There:
    ((user, superuser),) = connection.execute(_ME).fetchall()
    return There(
        major=connection.info.server_version // 10000,
        user=user,
        superuser=superuser,
        roles=frozenset(name for (name,) in connection.execute(_ROLES)),
        memberships=frozenset((role, member) for role, member in connection.execute(_MEMBERSHIPS)),
        settings=frozenset(name for (name,) in connection.execute(_SETTINGS)),
    )


def _tried(connection: "Connection[tuple[Any, ...]]", steps: Iterable[Step]) -> list[tuple[Step, str]]:
    """Do each step for itself, within the transaction; return those that failed, and why.

    What needs a role that was not made is passed over: that it was not is told already.
    """
    failed: list[tuple[Step, str]] = []
    for step in steps:
        unmade = {other.makes for other, _ in failed}
        if not unmade & set(step.needs) and (why := done(connection, step.run)):
            failed.append((step, why))
    return failed


def _made(steps: Iterable[Step], failed: Sequence[tuple[Step, str]]) -> frozenset[str]:
    not_made = {step.makes for step, _ in failed}
    return frozenset(step.makes for step in steps if step.makes is not None and step.makes not in not_made)


def _in_words(failed: Iterable[tuple[Step, str]]) -> list[str]:
    return [f"{step.what}: {why}" for step, why in failed]


def _without(manifest: Manifest, made: frozenset[str], *, settings: bool) -> Manifest:
    """Leave out of what is needed the roles that are made, and the settings where they are given with the rest."""
    if manifest.needs is None:
        return manifest
    needs = [
        need
        for need in manifest.needs
        if not (need.is_of(NeedKind.ROLE) and need.name in made)
        and not (settings and need.is_of(NeedKind.DATABASE_SETTING))
    ]
    return manifest.model_copy(update={"needs": needs})
