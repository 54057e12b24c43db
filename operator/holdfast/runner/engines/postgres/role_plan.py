"""Decides which roles of a backup a restore makes, and what they get. Pure.

What says so lies where others may write. So a role that is there is left as it is: it gets no attribute, no setting and
no membership. One that is made may not log in, has no password and none of the attributes that reach beyond its own
database; and nobody becomes a member of a role that was there before. Names are quoted, and of a form that the server
takes as they are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.contract.globals import GlobalGrant, GlobalMembership, GlobalObject, GlobalRole, Globals, GlobalSetting
from holdfast.runner.engines import landing
from holdfast.runner.engines.given import Plan
from holdfast.runner.engines.postgres.owned import COLUMN, DEFAULT_KINDS
from holdfast.runner.engines.postgres.statements import identifier, set_value
from holdfast.runner.pod.text import one_line

_CODE = ("plperl.", "pltcl.", "pltclu.")  # what begins settings that hold or name code, which the server would run
_PRIVILEGES = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "TRUNCATE",
        "REFERENCES",
        "TRIGGER",
        "MAINTAIN",
        "USAGE",
        "EXECUTE",
        "CREATE",
        "CONNECT",
        "TEMPORARY",
    }
)
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?")
_MOST_NAME = 63  # bytes; the server cuts what is longer, and would find another role
_MOST_VALUE = 8192
_NOBODYS = ("public", "none")  # which the server takes for something else, quoted or not
_OPTIONS_SINCE = 16  # from which version on a membership says what it is good for


@dataclass(frozen=True)
class There:
    """What the target's server has."""

    major: int
    user: str  # who restores
    superuser: bool
    roles: frozenset[str]
    memberships: frozenset[tuple[str, str]]
    settings: frozenset[str]  # in small letters: those of these that any user may set for himself


@dataclass(frozen=True)
class Step:
    """Statements that belong together."""

    what: str  # in words
    run: tuple[str, ...]
    makes: str | None = None  # a role
    needs: tuple[str, ...] = ()  # roles without which it makes no sense


def checked(found: Globals) -> Globals:
    """Return it, where all of it has the form that we write. Raises ManifestConflict."""
    bad = [
        *(f"a role of the name {_shown(name)}" for name in _names(found) if not _is_name(name)),
        *(f"a column {_shown(each.names[-1:])}" for each in found.objects if not _is_named(each)),
        *(f"a setting {_shown(each.name)}" for each in _settings(found) if not _is_setting(each)),
        *(f"the privilege {_shown(each)}" for each in _privileges(found) if each not in _PRIVILEGES),
        *(
            f"default privileges on {_shown(each.kind)}"
            for each in found.defaults
            if each.kind not in DEFAULT_KINDS.values()
        ),
        *(f"a schema {_shown(each.of_schema)}" for each in found.defaults if not _is_name(each.of_schema or "-")),
    ]
    if bad:
        raise landing.malformed(bad[0])
    return found


def _shown(text: object) -> str:
    return one_line(repr(text), 80)


def _is_name(name: str) -> bool:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= _MOST_NAME and "\0" not in name and name not in _NOBODYS


def _is_named(each: GlobalObject) -> bool:
    """Whether it is no column, or one whose name goes into a statement."""
    return not each.kind.endswith(COLUMN) or (len(each.names) > 1 and _is_name(each.names[-1]))


def _is_setting(setting: GlobalSetting) -> bool:
    try:
        size = len(setting.value.encode())
    except UnicodeEncodeError:
        return False
    return bool(_SETTING.fullmatch(setting.name)) and size <= _MOST_VALUE and "\0" not in setting.value


def named(found: Globals) -> set[str]:
    """Return every role that it names."""
    return set(_names(found))


def setting_names(found: Globals) -> set[str]:
    """Return the names of its settings, in small letters."""
    return {setting.name.lower() for setting in _settings(found)}


def plan(found: Globals, there: There) -> Plan[Step]:
    """Say what is to be done before the dump is restored."""
    made = Plan[Step]()
    makes: dict[str, GlobalRole] = {}
    for role in found.roles:
        if role.name in there.roles:
            continue
        if too_much := [word for word, has in _attributes(role) if has]:
            made.left_out.append(
                f"the role {role.name} does not exist, and was one with {', '.join(too_much)}, which a restore never "
                "gives"
            )
            made.remedies.append(f"CREATE ROLE {identifier(role.name)}")
        elif role.name.startswith("pg_"):
            made.left_out.append(
                f"the role {role.name} does not exist, and only the server itself makes one whose name begins with pg_"
            )
        else:
            makes[role.name] = role
    exists = there.roles | set(makes)
    listed = {role.name for role in found.roles}
    made.left_out += [f"the role {name} does not exist" for name in sorted(named(found) - exists - listed)]
    for role in makes.values():
        made.steps.append(_creation(role, there, made))
        made.cannot_log_in += [role.name] if role.login else []
    for membership in found.memberships:
        _member(membership, set(makes), exists, there, made)
    _lend(found, set(makes), there, made)
    return made


def given_back(lent: Sequence[str], there: There) -> Iterator[str]:
    """Give the statements that end the memberships in these roles, which were only for the restore."""
    by = f" GRANTED BY {identifier(there.user)}" if there.major >= _OPTIONS_SINCE else ""
    for role in lent:
        yield f"REVOKE {identifier(role)} FROM {identifier(there.user)}{by}"


def usable(setting: GlobalSetting, there: There) -> bool:
    """Whether the setting is one that any user may set for himself, or an application's own."""
    name = setting.name.lower()
    return name in there.settings or ("." in name and not name.startswith(_CODE))


def _creation(role: GlobalRole, there: There, made: Plan[Step]) -> Step:
    name = identifier(role.name)
    limit = f" CONNECTION LIMIT {role.connection_limit}" if 0 <= role.connection_limit < 1 << 31 else ""
    run = [f"CREATE ROLE {name} NOLOGIN {'INHERIT' if role.inherit else 'NOINHERIT'}{limit}"]
    for setting in role.settings:
        if usable(setting, there):
            run.append(f"ALTER ROLE {name} SET {set_value(setting.name, setting.value)}")
        else:
            made.left_out.append(f"the setting {setting.name} of role {role.name} is not one that every user may set")
            made.remedies.append(f"ALTER ROLE {name} SET {set_value(setting.name, setting.value)}")
    return Step(f"the role {role.name}", tuple(run), role.name)


def _member(of: GlobalMembership, makes: set[str], exists: frozenset[str], there: There, made: Plan[Step]) -> None:
    if (of.role, of.member) in there.memberships or of.member not in exists:
        return
    run = f"GRANT {identifier(of.role)} TO {identifier(of.member)}"
    if of.role in makes:
        both = (of.role, of.member)
        made.steps.append(
            Step(f"the membership of {of.member} in {of.role}", (run + _options(of, there.major),), needs=both)
        )
        return
    why = "that role was there before" if of.role in exists or of.role.startswith("pg_") else "there is no such role"
    made.left_out.append(f"{of.member} is not made a member of {of.role}: {why}")
    if of.role in exists or of.role.startswith("pg_"):
        made.remedies += [f"CREATE ROLE {identifier(of.member)}"] if of.member in makes else []
        made.remedies.append(run)


def _options(of: GlobalMembership, major: int) -> str:
    if major < _OPTIONS_SINCE:
        return " WITH ADMIN OPTION" if of.admin else ""
    words = {"ADMIN": of.admin, "INHERIT": of.inherit, "SET": of.set_role}
    said = [f"{word} {str(value).upper()}" for word, value in words.items() if value is not None]
    return f" WITH {', '.join(said)}"


def _lend(found: Globals, makes: set[str], there: There, made: Plan[Step]) -> None:
    """Have the user be a member of what it makes, where that is to own something: else it could not give it."""
    if there.superuser:
        return
    members = {(of.role, of.member) for of in found.memberships}
    owners = {found.owner, *(each.owner for each in found.objects), *(each.role for each in found.defaults)}
    options = " WITH INHERIT TRUE, SET TRUE" if there.major >= _OPTIONS_SINCE else ""
    for role in sorted(makes & owners):
        if (role, there.user) not in members:
            run = f"GRANT {identifier(role)} TO {identifier(there.user)}{options}"
            made.steps.append(Step(f"the user's membership in {role}", (run,), needs=(role,)))
            made.lent.append(role)


def _attributes(role: GlobalRole) -> Sequence[tuple[str, bool]]:
    return (
        ("SUPERUSER", role.superuser), ("CREATEROLE", role.create_role), ("CREATEDB", role.create_db),
        ("REPLICATION", role.replication), ("BYPASSRLS", role.bypass_rls),
    )  # fmt: skip


def _names(found: Globals) -> Iterator[str]:
    yield from (role.name for role in found.roles)
    for of in found.memberships:
        yield from (of.role, of.member)
    yield from (each.role for each in found.defaults)
    yield from (each.owner for each in found.objects if each.owner is not None)
    yield from (each.role for each in found.settings if each.role is not None)
    yield from (grant.to for grant in _grants(found) if grant.to is not None)
    yield from (found.owner,) if found.owner is not None else ()


def _settings(found: Globals) -> Iterator[GlobalSetting]:
    yield from found.settings
    for role in found.roles:
        yield from role.settings


def _grants(found: Globals) -> Iterator[GlobalGrant]:
    yield from found.grants or ()
    for each in found.objects:
        yield from each.grants or ()
    for default in found.defaults:
        yield from default.grants


def _privileges(found: Globals) -> Iterator[str]:
    for grant in _grants(found):
        yield from grant.privileges
        yield from grant.grantable
