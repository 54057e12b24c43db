"""Decides which accounts and roles of a backup a restore makes, and what they get. Pure.

What says so lies where others may write. So an account that is there is left as it is; one that is made is locked, and
no password fits it, and it gets no right but on the restored database. None is made under a name that is there with
another host: the server would take it for whoever logs in by that name. Nobody gets a role that was there before.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.api.database import Engine
from holdfast.contract.globals import GlobalGrant, GlobalMembership, GlobalObject, GlobalRole, Globals
from holdfast.runner.engines import landing
from holdfast.runner.engines.given import Plan
from holdfast.runner.engines.mysql.account_names import is_account, is_object, is_systems, parts, written
from holdfast.runner.engines.mysql.right_statements import COLUMN, DATABASE, PRIVILEGES
from holdfast.runner.pod.text import one_line

# What no password fits. MySQL's own accounts have the first; the second is what MariaDB's documentation says.
_NO_PASSWORD = {
    Engine.MYSQL: "IDENTIFIED WITH caching_sha2_password AS "
    "'$A$005$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED'",
    Engine.MARIADB: "IDENTIFIED VIA mysql_native_password USING 'invalid'",
}
_DEFINED = ("trigger", "event")  # with a definer, and without rights of their own


@dataclass(frozen=True)
class There:
    """What the target's server has."""

    engine: Engine
    user: str  # who restores, name@host
    accounts: frozenset[str]
    memberships: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Step:
    """One statement."""

    what: str  # in words
    run: str
    makes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # accounts without which it makes no sense


def checked(found: Globals, engine: Engine) -> Globals:
    """Return it, where all of it has the form that we write. Raises ManifestConflict."""
    bad = [
        *(f"an account of the name {_shown(name)}" for name in _names(found) if not is_account(name, engine)),
        *(f"the {_shown(each.kind)} {_shown(each.names)}" for each in found.objects if not _is_known(each)),
        *(
            f"the privilege {_shown(privilege)} on a {kind}"
            for kind, grant in _grants(found)
            for privilege in (*grant.privileges, *grant.grantable)
            if privilege not in PRIVILEGES.get(kind, ())
        ),
        *("a column's right to pass on" for kind, grant in _grants(found) if kind == COLUMN and grant.grantable),
        *("a grant to everybody" for _, grant in _grants(found) if grant.to is None and engine is Engine.MYSQL),
    ]
    if bad:
        raise landing.malformed(bad[0])
    return found


def plan(found: Globals, there: There) -> Plan[Step]:
    """Say what is to be done before the dump is restored."""
    made = Plan[Step]()
    makes = [role for role in found.roles if role.name not in there.accounts and _is_made(role, there, made)]
    names = {role.name for role in makes}
    listed = {role.name for role in found.roles}
    missing = {grant.to for _, grant in _grants(found) if grant.to} - there.accounts - listed
    made.left_out += [f"the account {name} does not exist" for name in sorted(missing)]
    made.cannot_log_in += [role.name for role in makes if role.login]
    _creations(sorted(names), there, made)
    for membership in found.memberships:
        _member(membership, names, there, made)
    _default_roles(found, names, there, made)
    return made


def unmade(name: str) -> str:
    """Return the statement that removes one that was made."""
    return f"DROP {'USER' if parts(name)[1] else 'ROLE'} {written(name)}"


def given_back(lent: Iterable[str], user: str) -> list[str]:
    """Return the statements that take from the user the roles that he has since he made them."""
    return [f"REVOKE {written(role)} FROM {written(user)}" for role in lent]


def _is_made(role: GlobalRole, there: There, made: Plan[Step]) -> bool:
    user, host = parts(role.name)
    others = sorted(name for name in there.accounts if host and parts(name)[0] == user and parts(name)[1])
    if role.superuser:
        why = "and was one with SUPER, which a restore never gives"
    elif is_systems(role.name):
        why = "and is an administrator's or the server's own"
    elif others:
        why = f"and who logs in as {others[0]} today could be taken for it"
    else:
        if role.server_privileges:
            made.left_out.append(
                f"{role.name} does not exist, and had {', '.join(role.server_privileges)} on the whole server, which "
                "a restore never gives"
            )
            made.remedies.append(_created([role.name], there.engine))
        return True
    made.left_out.append(f"the account {role.name} does not exist, {why}")
    made.remedies.append(_created([role.name], there.engine))
    return False


def _creations(names: list[str], there: There, made: Plan[Step]) -> None:
    """One statement makes all accounts: killed between two, the next Pod would find a name with another host."""
    accounts = [name for name in names if parts(name)[1]]
    if accounts:
        what = f"the accounts {', '.join(accounts)}"
        made.steps.append(Step(what, _created(accounts, there.engine), tuple(accounts)))
    for role in (name for name in names if not parts(name)[1]):
        made.steps.append(Step(f"the role {role}", f"CREATE ROLE {written(role)}", (role,)))
        made.lent.append(role)


def _created(names: list[str], engine: Engine) -> str:
    if not parts(names[0])[1]:
        return f"CREATE ROLE {written(names[0])}"
    each = ", ".join(f"{written(name)} {_NO_PASSWORD[engine]}" for name in names)
    return f"CREATE USER {each} ACCOUNT LOCK"


def _member(of: GlobalMembership, makes: set[str], there: There, made: Plan[Step]) -> None:
    if (of.role, of.member) in there.memberships or of.member not in makes | there.accounts:
        return
    run = f"GRANT {written(of.role)} TO {written(of.member)}{' WITH ADMIN OPTION' if of.admin else ''}"
    if of.role in makes:
        made.steps.append(Step(f"the role {of.role} for {of.member}", run, needs=(of.role, of.member)))
    else:
        why = "that role was there before" if of.role in there.accounts else "there is no such role"
        made.left_out.append(f"{of.member} does not get the role {of.role}: {why}")
        made.remedies.append(run)


def _default_roles(found: Globals, makes: set[str], there: There, made: Plan[Step]) -> None:
    """Have the roles of accounts that are made be active when they log in, where the server has more than one such."""
    roles: dict[str, list[str]] = {}
    for of in found.memberships:
        if of.default and of.role in makes and of.member in makes:
            roles.setdefault(of.member, []).append(of.role)
    for member, active in roles.items() if there.engine is Engine.MYSQL else ():
        run = f"SET DEFAULT ROLE {', '.join(map(written, active))} TO {written(member)}"
        made.steps.append(Step(f"the default roles of {member}", run, needs=(*active, member)))


def _is_known(each: GlobalObject) -> bool:
    rights = PRIVILEGES.get(each.kind) is not None and each.kind != DATABASE
    count = 2 if each.kind == COLUMN else 1
    fits = rights or (each.kind in _DEFINED and not each.grants)
    return fits and len(each.names) == count and all(map(is_object, each.names))


def _names(found: Globals) -> Iterator[str]:
    yield from (role.name for role in found.roles)
    for of in found.memberships:
        yield from (of.role, of.member)
    yield from (each.owner for each in found.objects if each.owner is not None)
    yield from (grant.to for _, grant in _grants(found) if grant.to is not None)


def _grants(found: Globals) -> Iterator[tuple[str, GlobalGrant]]:
    for grant in found.grants or ():
        yield DATABASE, grant
    for each in found.objects:
        for grant in each.grants or ():
            yield each.kind, grant


def _shown(what: object) -> str:
    return one_line(repr(what), 80)
