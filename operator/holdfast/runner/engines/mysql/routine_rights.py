"""Carries rights on routines over a switch: they go when a routine is dropped, and all others are by name and stay."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast.runner.engines.mysql import accounts, right_statements, target_rights
from holdfast.runner.engines.mysql.code import EVENT, TRIGGER, VIEW, Change, Definition, granting
from holdfast.runner.engines.mysql.grants import ALL, pattern
from holdfast.runner.engines.mysql.schemas import Schema
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

_NAMED = 5


@dataclass(frozen=True)
class Carried:
    """What a database's routines are granted."""

    given: list[Definition] = field(default_factory=list)
    why_not: str | None = None  # in words; None where they can be given again

    def of(self, comes: Iterable[Definition]) -> list[Definition]:
        """Return those on routines that there will be again."""
        names = {each.of for each in comes}
        return [each for each in self.given if tuple(each.table.split("\t")) in names]

    def lost(self, goes: Iterable[Definition], comes: Iterable[Definition]) -> list[str]:
        """Say of which routines the rights are gone by the switch, as a warning."""
        others = (TRIGGER, EVENT, VIEW)
        change = Change.within(*([each for each in code if each.kind not in others] for code in (goes, comes)))
        again = {each.of for each in change.wanted}
        names = [" ".join(each.of).lower() for each in change.there if each.of in again]
        if self.why_not is None or not names:
            return []
        return [one_line(f"rights on {few(names, _NAMED)}, created again, are not restored: {self.why_not}", 800)]


def read(schema: Schema) -> Carried:
    """Read who may do what with its routines."""
    found = accounts.given_on_routines(schema.target, schema.stop)
    if found is None:
        return Carried(why_not="the user who restores may not read mysql.procs_priv (GRANT SELECT)")
    may = target_rights.passed_on(schema) if found else set()
    every = [(each, grant) for each in found for grant in each.grants or ()]
    can = [(each, grant) for each, grant in every if ALL in may or may >= set(right_statements.named_rights(grant))]
    given = [
        granting(run, f"{each.kind.upper()}\t{each.names[0]}")
        for each, grant in can
        for run in right_statements.on_object(each, [grant], schema.name)
    ]
    lacking = f"the user needs GRANT ALL ON {pattern(schema.name)}.* … WITH GRANT OPTION"
    return Carried(given, None if len(can) == len(every) else lacking)
