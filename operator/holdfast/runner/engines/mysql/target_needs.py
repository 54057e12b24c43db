"""Compares a restore's target with what a restore needs, and sets what its user may, before it begins.

Nothing of the manifest's statements is used: they are made anew, quoted, for the target's own name.
"""

import re
from collections.abc import Iterable

from holdfast.contract.needs import MAX_NEEDS, ManifestNeed, NeedKind
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import server
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.errors import number
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.runner.engines.mysql.needs import NAMES, UNKEYED, account
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

_WORD = re.compile(r"\w{1,64}", re.ASCII)
_PROBE = "`a probe of holdfast's`"
_NO_SUCH_USER = "1449"
_UNKNOWN_VARIABLE = 1193
_PRIVILEGES = re.compile(r"need \(at least one of\) the ([A-Z_, ]+?) privilege")
_DEFINER_RIGHTS = ("SET_ANY_DEFINER", "SET USER", "ALLOW_NONEXISTENT_DEFINER", "SYSTEM_USER", "SET_USER_ID")
_ACCOUNTS = 50  # that are tried


def require(target: Target, needs: Iterable[ManifestNeed], stop: Stop) -> list[str]:
    """Return what the target will lack, as warnings. Raises TargetNotReady, with what mends it.

    The target is empty: what its user may set of the database itself is set.
    """
    asked = [need for need in list(needs)[:MAX_NEEDS] if "\0" not in need.name]
    accounts = [need.name for need in asked if need.is_of(NeedKind.ACCOUNT) and "@" in need.name]
    missing = require_definers(target, accounts[:_ACCOUNTS], stop)
    warnings = [
        f"the views, routines, triggers and events of this definer do not work until the user exists: {name}"
        for name in missing
    ]
    settings = {need.name: need.value for need in asked if need.is_of(NeedKind.SERVER_SETTING)}
    if UNKEYED in settings:
        _require_unkeyed(target, stop)
    if NAMES in settings:
        warnings += _names(target, str(settings[NAMES]), stop)
    for need in asked:
        if need.is_of(NeedKind.COLLATION):
            _set_collation(target, need, stop)
    return [one_line(warning, 300) for warning in warnings]


def require_definers(target: Target, names: list[str], stop: Stop) -> list[str]:
    """Try each definer on a view that is gone at once; return those who are not there. Raises TargetNotReady."""
    absent, refused, lacking = [], [], list[str]()
    for name in names:
        try:
            rows = server.look(
                target,
                f"{target.flavour.lifted}; "
                f"create definer = {account(name)} sql security invoker view {_PROBE} as select 1; show warnings; "
                f"drop view {_PROBE};",
                stop,
            )
        except ValueError as error:
            if number(str(error)) != 1227:  # what else may be wrong, the restore itself says
                continue
            refused.append(name)
            named = _PRIVILEGES.search(str(error))
            said = named[1].split(", ") if named else []
            lacking += [right for right in said if right in _DEFINER_RIGHTS and right not in lacking][:1]
        else:
            absent += [name for row in rows if _NO_SUCH_USER in row]
    if refused:
        rights = ", ".join(lacking) or "SET USER"
        raise _not_ready(
            target,
            f"the dump has views, routines, triggers or events with the definer {', '.join(refused[:5])}, and the "
            "restore's user has no right to set this definer",
            f"GRANT {rights} ON *.* TO the restore's user; docs/how-to/back-up-mysql.md says why",
        )
    return absent


def _require_unkeyed(target: Target, stop: Stop) -> None:
    try:
        server.look(target, f"set session {UNKEYED} = 0;", stop)
    except ValueError as error:
        if number(str(error)) == _UNKNOWN_VARIABLE:  # an older server, which takes such keys
            return
        if ["0"] not in server.look(target, f"select @@{UNKEYED} + 0;", stop):
            raise _not_ready(
                target,
                "the dump has foreign keys that refer to keys that are not unique, and the server refuses them",
                f"SET GLOBAL {UNKEYED} = OFF for the time of the restore, or GRANT SESSION_VARIABLES_ADMIN ON *.* TO "
                "the restore's user",
            ) from error


def _names(target: Target, wanted: str, stop: Stop) -> list[str]:
    rows = server.look(target, "select 'names', @@lower_case_table_names;", stop)
    there = next((row[1] for row in rows if row[0] == "names" and len(row) > 1), wanted)
    if there == wanted:
        return []
    return [
        f"lower_case_table_names is {there} on this server, but was {wanted}: names of tables may change their case"
    ]


def collation(needs: Iterable[ManifestNeed]) -> tuple[str | None, str | None]:
    """Return character set and collation of the database that was dumped, as words; None where they are not known."""
    for need in needs:
        if need.is_of(NeedKind.COLLATION) and _WORD.fullmatch(need.value or "") and _WORD.fullmatch(need.name):
            return need.value, need.name
    return None, None


def _set_collation(target: Target, need: ManifestNeed, stop: Stop) -> None:
    """Have the database itself be as the one that was dumped: it is what routines and triggers are made under."""
    character_set, collation = need.value or "", need.name
    if not _WORD.fullmatch(character_set) or not _WORD.fullmatch(collation):
        return
    change = f"ALTER DATABASE {quoted(target.database)} CHARACTER SET {character_set} COLLATE {collation};"
    there = server.look(target, "select 'collation', @@character_set_database, @@collation_database;", stop)
    if ["collation", character_set, collation] in there:
        return
    try:
        server.look(target, f"{target.flavour.lifted}; {change}", stop)
    except ValueError as error:
        raise _not_ready(
            target,
            f"the routines and triggers in the dump were created under the collation {collation}, and the target's "
            f"collation cannot be changed to it: {one_line(str(error), 200)}",
            f"run {change} or restore into a server that has this collation",
        ) from error


def _not_ready(target: Target, what: str, remedy: str) -> HoldfastError:
    return HoldfastError(Reason.TARGET_NOT_READY, f"{target} cannot take the dump: {what}", remedy)
