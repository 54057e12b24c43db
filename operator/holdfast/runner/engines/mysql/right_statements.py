"""The statements that give and take rights on a database and on what is in it, and which rights are lacking. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from holdfast.contract.globals import GlobalGrant, GlobalObject, Globals
from holdfast.runner.engines.mysql.account_names import written
from holdfast.runner.engines.mysql.grants import pattern, quoted
from holdfast.runner.pod.text import one_line

ByName = dict[tuple[str, ...], GlobalObject]
DATABASE, COLUMN = "database", "column"
_READS = {"SELECT", "INSERT", "UPDATE", "REFERENCES"}
_TABLE = _READS | {
    *("DELETE", "CREATE", "DROP", "INDEX", "ALTER", "CREATE VIEW", "SHOW VIEW", "TRIGGER", "DELETE HISTORY", "USAGE"),
}  # fmt: skip
_ROUTINE = {"EXECUTE", "ALTER ROUTINE", "SHOW CREATE ROUTINE", "USAGE"}
_ROUTINES = ("procedure", "function", "package", "package body", "library")
PRIVILEGES: dict[str, set[str]] = {
    DATABASE: _TABLE | _ROUTINE | {"CREATE TEMPORARY TABLES", "LOCK TABLES", "CREATE ROUTINE", "EVENT"},
    **dict.fromkeys(("table", "view", "sequence"), _TABLE),
    COLUMN: _READS,
    **dict.fromkeys(_ROUTINES, _ROUTINE),
}
"""By the kind of what they are on: all that there are."""


def on_database(grants: Iterable[GlobalGrant], database: str) -> list[str]:
    """Return the statements that give these rights on a database as a whole."""
    return [_given(grant, f"{pattern(database)}.*") for grant in grants]


def off_database(grant: GlobalGrant, database: str) -> list[str]:
    """Return the statements that take these rights on a database as a whole."""
    where = f"{pattern(database)}.*"
    rights = named_rights(grant)
    plain = [f"REVOKE {', '.join(rights)} ON {where} FROM {_whom(grant)}"] if rights else []
    return [*plain, *([f"REVOKE GRANT OPTION ON {where} FROM {_whom(grant)}"] if grant.grantable else [])]


def on_object(each: GlobalObject, grants: Iterable[GlobalGrant], database: str) -> list[str]:
    """Return the statements that give these rights on an object of a database."""
    return [_given(grant, _named(each, database), _column(each)) for grant in grants]


def off_object(each: GlobalObject, grants: Iterable[GlobalGrant], database: str) -> list[str]:
    """Return the statements that take these rights again."""
    said = []
    for grant in grants:
        rights = named_rights(grant)
        listed = _listed(rights, _column(each))
        said += [f"REVOKE {listed} ON {_named(each, database)} FROM {_whom(grant)}"] if rights else []
        said += [f"REVOKE GRANT OPTION ON {_named(each, database)} FROM {_whom(grant)}"] if grant.grantable else []
    return said


def lacking(wanted: Iterable[GlobalGrant] | None, held: Iterable[GlobalGrant] | None) -> list[GlobalGrant]:
    """Return what is wanted and not held. That others have rights, too, or somebody has more, is left as it is.

    To pass on what he may, is one right: a server does not have it of each privilege.
    """
    has = {grant.to: grant for grant in held or ()}
    lack = []
    for grant in wanted or ():
        there = has.get(grant.to) or GlobalGrant()
        more = {*grant.privileges, *grant.grantable} - {"USAGE", *there.privileges, *there.grantable}
        passes_on = bool(grant.grantable) and not there.grantable
        if more or passes_on:
            lack.append(GlobalGrant(to=grant.to, privileges=sorted(more), grantable=["USAGE"] if passes_on else []))
    return lack


def lacking_on_all(
    wanted: Iterable[GlobalGrant], held: Iterable[GlobalGrant] | None, exact: Collection[str | None]
) -> list[GlobalGrant]:
    """Return which rights on a whole database are to be given; `exact` are those who have some on this very one.

    With them goes what an account may do by a pattern: the server goes by the most exact of its grants alone.
    """
    has = {grant.to: grant for grant in held or ()}
    return [
        GlobalGrant(
            to=grant.to,
            privileges=sorted({*grant.privileges, *has[grant.to].privileges}),
            grantable=sorted({*grant.grantable, *has[grant.to].grantable}),
        )
        if grant.to in has and grant.to not in exact
        else grant
        for grant in lacking(wanted, has.values())
    ]


def lacking_on(each: GlobalObject, wanted: Iterable[GlobalGrant] | None, held: ByName) -> list[GlobalGrant]:
    """Return what is wanted on an object and not held there."""
    there = held.get(_name(each))
    return lacking(wanted, there.grants if there else None)


def by_name(found: Globals) -> ByName:
    """Return the objects by their kinds and names."""
    return {_name(each): each for each in found.objects}


def _name(each: GlobalObject) -> tuple[str, ...]:
    return (each.kind, *each.names)


def differences(on_all: Iterable[GlobalGrant] | None, objects: Iterable[GlobalObject], now: Globals) -> list[str]:
    """Say, by name, who lacks what he is to have, and what has another definer."""
    held = by_name(now)
    differ = [f"{_called(grant)} lacks rights on the database" for grant in lacking(on_all, now.grants)]
    for each in objects:
        there = held.get(_name(each), GlobalObject(kind=each.kind, names=each.names))
        differ += [f"{_called(grant)} lacks rights on {words(each)}" for grant in lacking(each.grants, there.grants)]
        if each.owner is not None and each.owner != there.owner:
            differ.append(f"the definer of {words(each)} is {there.owner} instead of {each.owner}")
    return differ


def words(each: GlobalObject) -> str:
    """Name an object for people."""
    return one_line(f"{each.kind} {'.'.join(each.names)}", 150)


def _called(grant: GlobalGrant) -> str:
    return grant.to or "everybody"


def one_by_one(grants: Iterable[GlobalGrant]) -> Iterator[GlobalGrant]:
    """Give the same as grants each of which one statement takes back."""
    for grant in grants:
        if held := named_rights(grant):
            yield GlobalGrant(to=grant.to, privileges=held)
        if grant.grantable:
            yield GlobalGrant(to=grant.to, grantable=["USAGE"])


def named_rights(grant: GlobalGrant) -> list[str]:
    """Return the rights that a grant names, whether or not they may be passed on."""
    return [each for each in (*grant.privileges, *grant.grantable) if each != "USAGE"]


def _given(grant: GlobalGrant, on: str, column: str | None = None) -> str:
    rights = named_rights(grant) or ["USAGE"]
    return f"GRANT {_listed(rights, column)} ON {on} TO {_whom(grant)}{' WITH GRANT OPTION' if grant.grantable else ''}"


def _whom(grant: GlobalGrant) -> str:
    return "PUBLIC" if grant.to is None else written(grant.to)


def _listed(rights: Sequence[str], column: str | None) -> str:
    return ", ".join(right if column is None else f"{right} ({quoted(column)})" for right in rights)


def _column(each: GlobalObject) -> str | None:
    return each.names[1] if each.kind == COLUMN else None


def _named(each: GlobalObject, database: str) -> str:
    kind = each.kind.upper() if each.kind in _ROUTINES else "TABLE"
    return f"{kind} {quoted(database)}.{quoted(each.names[0])}"
