"""Gives a restored database the accounts and rights that it is to have: in which order, and what stops it.

Accounts, and their rights on the whole database, are given before the dump is fed: its definers need them. Rights on
tables and routines are given once these are there and were compared. A server keeps rights by name, and a restore that
replaces a database has it under another name until the switch: what was given under that name is taken back, and given
under the live one as a part of the switch (exchange.py), so that it comes with the tables or not at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from holdfast.api.restoring import GlobalsMode
from holdfast.contract.globals import GlobalGrant, GlobalObject, Globals
from holdfast.contract.manifest import Manifest
from holdfast.contract.needs import NeedKind
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.given import NAMED, Plan, differs, listed, not_given
from holdfast.runner.engines.mysql import account_plan, accounts, grants, session, target_needs, target_rights
from holdfast.runner.engines.mysql import right_statements as rights
from holdfast.runner.engines.mysql.account_plan import Step, There
from holdfast.runner.engines.mysql.account_rows import Found
from holdfast.runner.engines.mysql.accounts import UnreadableError
from holdfast.runner.engines.mysql.code import Definition, granting
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.right_statements import COLUMN
from holdfast.runner.engines.mysql.schemas import Schema
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few, shorten

_MOST = 300  # characters of an item that is told
_PLAINLY = "set session sql_mode = ''"  # a GRANT to nobody makes no account, and says so


@dataclass
class Giving:
    """See engine.Giving."""

    target: Target  # what is restored into
    live: str  # its name once it is in its place
    mode: GlobalsMode
    found: Globals  # the backup's
    following: list[Definition]  # gets what is to be run as a part of the switch
    warnings: list[str]
    stop: Stop
    _there: There | None = None  # None: nothing is given
    _seen: Found | None = None  # what the target had before
    _mine: set[str] = field(default_factory=set)  # the user's rights under the live name
    _plan: Plan[Step] = field(default_factory=Plan[Step])
    _made: set[str] = field(default_factory=set)
    _given: list[GlobalGrant] = field(default_factory=list)  # on the whole of the target

    def require(self, manifest: Manifest) -> Manifest:
        """See engine.Giving. Raises ManifestConflict, TargetNotReady."""
        account_plan.checked(self.found, self.target.flavour.engine)
        _, user, said = target_rights.held(Schema(self.target, self.stop))
        self._mine = grants.rights(said, self.live)
        names = sorted({self.target.database, self.live})
        lack = [
            f"the user may not give others rights on {name!r}" for name in names if not grants.may_pass_on(said, name)
        ]
        try:
            seen = accounts.look(self.target, self.stop)
        except (UnreadableError, ValueError) as error:
            lack.append(str(error))
        else:
            self._there = There(self.target.flavour.engine, user, seen.accounts, seen.memberships)
            self._seen = seen
            self._plan = account_plan.plan(self.found, self._there)
        if self.mode is GlobalsMode.REQUIRE and (lack or self._plan.left_out):
            raise self._not_ready([*lack, *self._plan.left_out], "nothing was changed", user)
        if lack:
            self._there, self._plan = None, Plan[Step]()
        self._tell("accounts and grants are left out", lack)
        self._tell("of accounts and roles is left out", self._plan.left_out)
        return _without(manifest, {name for step in self._plan.steps for name in step.makes})

    @contextmanager
    def made(self) -> Iterator[None]:
        """See engine.Giving. Raises TargetNotReady, and then what was made is gone again."""
        if self._there is None or self._seen is None:
            yield
            return
        try:
            self._before(self._there, self._seen)
            yield
        finally:
            self._take_back(self._there)

    def finish(self) -> list[str]:
        """See engine.Giving. Raises RestoreFailed, RestoreDiffers. What is not there at all is left out."""
        if self._there is None:
            return []
        seen = self._look(self.target)
        there = [each for each in self.found.objects if _is_there(each, seen)]
        held = rights.by_name(seen.globals)
        wanted = [(each, rights.lacking_on(each, self._to(each.grants), held)) for each in there]
        failed, given = self._on_objects(wanted)
        try:
            if self.mode is GlobalsMode.REQUIRE:
                self._require_given(failed)
                if differ := rights.differences(self.found.grants, there, self._look(self.target).globals):
                    raise differs(self.target, differ, "accounts or grants on the target's server")
        finally:
            if self._beside:
                self._run(
                    [run for each, to in given for run in rights.off_object(each, to, self.target.database)], Stop()
                )
        self._tell("grants could not be given", failed)
        if self._beside:
            self._follow(given)
        return ["grants"] if self.mode is GlobalsMode.REQUIRE else []

    @property
    def _beside(self) -> bool:
        return self.target.database != self.live

    def _before(self, there: There, seen: Found) -> None:
        """Make the accounts and roles, and give the rights on the whole database."""
        makers = [step for step in self._plan.steps if step.makes]
        failed = []
        for step, why in zip(makers, self._run([step.run for step in makers]), strict=True):
            failed += [f"{step.what}: {why}"] if why else []
            self._made |= set() if why else set(step.makes)
        exists = there.accounts | self._made
        steps = [(step.what, step.run) for step in self._plan.steps if not step.makes and exists >= set(step.needs)]
        wanted = rights.lacking_on_all(self._to(self.found.grants), seen.globals.grants, seen.exact)
        runs = zip(wanted, rights.on_database(wanted, self.target.database), strict=True)
        self._given = wanted
        steps += [(f"rights of {grant.to or 'everybody'} on the database", run) for grant, run in runs]
        answers = zip(steps, self._run([run for _, run in steps]), strict=True)
        failed += [f"{what}: {why}" for (what, _), why in answers if why]
        if failed and self.mode is GlobalsMode.REQUIRE:
            self._undo()
            raise self._not_ready(failed, "what was made for it is removed again", there.user)
        self._tell("accounts and grants could not be given", failed)
        definers = {each.owner for each in self.found.objects if each.owner} & self._made
        try:
            target_needs.require_definers(self.target, sorted(definers), self.stop)
        except HoldfastError:
            self._undo()
            raise
        if names := [name for name in self._plan.cannot_log_in if name in self._made]:
            self.warnings.append(
                one_line(
                    f"accounts were made locked, and no password fits them: {few(names, NAMED)}; ALTER USER … "
                    "IDENTIFIED BY … ACCOUNT UNLOCK for each that an application uses",
                    600,
                )
            )

    def _undo(self) -> None:
        """Remove what was made in vain: rights of accounts that were there, and the accounts that were not."""
        runs = [
            run
            for grant in self._given
            if grant.to not in self._made
            for run in rights.off_database(grant, self.target.database)
        ]
        runs += [account_plan.unmade(name) for name in sorted(self._made)]
        self._tell("what was made could not be removed", [why for why in self._run(runs, Stop()) if why])
        self._made.clear()
        self._plan.lent.clear()

    def _take_back(self, there: There) -> None:
        """End what was given for the restore alone, also after an error: what fails then is told."""
        runs = account_plan.given_back([role for role in self._plan.lent if role in self._made], there.user)
        if self._beside:
            given = [*self._given, *self._to(self.found.grants)]  # an earlier Pod gave some as well
            runs += [run for grant in given for run in rights.off_database(grant, self.target.database)]
        try:
            said = self._run(list(dict.fromkeys(runs)), Stop())
            failed = [why for why in said if why and "(1141)" not in why]  # there is no such grant
        except HoldfastError as error:
            failed = [error.message]
        self._tell("what was given for the restore alone could not be taken back", failed)

    def _on_objects(
        self, wanted: Iterable[tuple[GlobalObject, list[GlobalGrant]]]
    ) -> tuple[list[str], list[tuple[GlobalObject, list[GlobalGrant]]]]:
        """Give rights on tables and routines; return what failed, and what was given."""
        asked = [(each, grant) for each, to in wanted for grant in to]
        runs = [rights.on_object(each, [grant], self.target.database)[0] for each, grant in asked]
        answers = list(zip(asked, self._run(runs), strict=True))
        failed = [
            f"rights of {grant.to or 'everybody'} on {rights.words(each)}: {why}"
            for (each, grant), why in answers
            if why
        ]
        return failed, [(each, [grant]) for (each, grant), why in answers if not why]

    def _follow(self, given: Iterable[tuple[GlobalObject, list[GlobalGrant]]]) -> None:
        """Have the switch give the same under the live name, as far as it is not held there, and this user may."""
        live = self._look(replace(self.target, database=self.live))
        held = rights.by_name(live.globals)
        whole = rights.lacking_on_all(self._to(self.found.grants), live.globals.grants, live.exact)
        wanted = [
            (grant, rights.on_database([grant], self.live), rights.off_database(grant, self.live))
            for grant in rights.one_by_one(whole)
        ] + [
            (grant, rights.on_object(each, [grant], self.live), rights.off_object(each, [grant], self.live))
            for each, to in given
            for grant in rights.one_by_one(rights.lacking_on(each, to, held))
        ]
        refused = [run for grant, (run,), _ in wanted if not self._may(grant)]
        if self.mode is GlobalsMode.REQUIRE:
            self._require_given(refused)
        self._tell("the user has no right on the live database to run", refused)
        self.following += [granting(run, gone_by=back) for grant, (run,), (back,) in wanted if self._may(grant)]

    def _may(self, grant: GlobalGrant) -> bool:
        """Whether this user has under the live name what is to be given there: a switch is to fail of no such thing."""
        return grants.ALL in self._mine or self._mine >= set(rights.named_rights(grant))

    def _to(self, given: Iterable[GlobalGrant] | None) -> list[GlobalGrant]:
        """Leave out the rights of those who are not there."""
        exist = self._exist()
        return [grant for grant in given or () if grant.to is None or grant.to in exist]

    def _exist(self) -> frozenset[str]:
        return (self._there.accounts if self._there else frozenset()) | self._made

    def _look(self, target: Target) -> Found:
        """Ask once more. Raises RestoreFailed."""
        try:
            return accounts.look(target, self.stop)
        except (UnreadableError, ValueError) as error:
            raise HoldfastError(
                Reason.RESTORE_FAILED,
                one_line(f"the accounts and grants of {target} cannot be read any more: {error}", 800),
                "find out what has changed on the target's server since the restore began, then restore again",
            ) from error

    def _run(self, statements: Sequence[str], stop: Stop | None = None) -> list[str | None]:
        """Run each, with no database chosen: what is restored into may be gone by then."""
        if not statements:
            return []
        nowhere = replace(self.target, database="")
        return session.each(nowhere, [_PLAINLY, *statements], stop or self.stop, "giving accounts and grants")[1:]

    def _require_given(self, failed: Sequence[str]) -> None:
        if failed:
            raise not_given(self.target, "grants", failed)

    def _not_ready(self, lack: Sequence[str], state: str, user: str) -> HoldfastError:
        names = dict.fromkeys([self.target.database, self.live])
        mends = [
            f"GRANT ALL ON {grants.pattern(name)}.* TO {self.target.grantee(user)} WITH GRANT OPTION" for name in names
        ]
        run = shorten(one_line("; ".join([*self._plan.remedies, *mends]), 1500), 900)
        return HoldfastError(
            Reason.TARGET_NOT_READY,
            one_line(
                f"{self.target} cannot get the requested accounts and grants: "
                f"{few([shorten(each, 400) for each in lack], NAMED, '; ')}; {state}",
                1800,
            ),
            f"as an administrator, as far as it is needed: {run}; then restore again, or leave out what cannot be "
            "given with options.globals IfMissing; docs/how-to/back-up-mysql.md has the rights of the restore's user",
        )

    def _tell(self, what: str, items: Sequence[str]) -> None:
        self.warnings += listed(what, items, _MOST)


def _is_there(each: GlobalObject, seen: Found) -> bool:
    if each.kind == COLUMN:
        return any((kind, each.names[0]) in seen.there for kind in ("table", "view", "sequence"))
    return (each.kind, each.names[0]) in seen.there


def _without(manifest: Manifest, made: set[str]) -> Manifest:
    """Leave out of what is needed the accounts that are made."""
    if manifest.needs is None:
        return manifest
    needs = [need for need in manifest.needs if not (need.is_of(NeedKind.ACCOUNT) and need.name in made)]
    return manifest.model_copy(update={"needs": needs})
