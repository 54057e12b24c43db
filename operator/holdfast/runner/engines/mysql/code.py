"""What a database holds besides tables: triggers, events, views, routines; read, compared, dropped and made again.

None of it moves with `RENAME TABLE` into another database. A definition is the server's own (`SHOW CREATE`), and is
made again under the settings that it was made under, as the dump tools do it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Self

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import session
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.runner.engines.mysql.session import BYTES
from holdfast.runner.engines.mysql.tokens import NOTHING, tokens
from holdfast.runner.pod.stop import Stop

TRIGGER, EVENT, VIEW, PACKAGE = "TRIGGER", "EVENT", "VIEW", "PACKAGE"
RIGHT = "RIGHT"  # no object: a GRANT, which goes the same way, since rights upon a routine go when it is dropped
_DEFINER = re.compile(r"^CREATE [^(]*?DEFINER ?= ?`((?:[^`]|``)*)`@`((?:[^`]|``)*)`")
_COLUMN = {VIEW: 1, EVENT: 3}  # of SHOW CREATE's answer; 2 of all others
_LIST = """
select 'TRIGGER', trigger_name, event_object_table, sql_mode, character_set_client, collation_connection, ''
from information_schema.triggers where trigger_schema = database()
order by event_object_table, action_timing, event_manipulation, action_order
""", """
select 'VIEW', table_name, '', '', character_set_client, collation_connection, ''
from information_schema.views where table_schema = database() order by 2
""", """
select routine_type, routine_name, '', sql_mode, character_set_client, collation_connection, ''
from information_schema.routines where routine_schema = database() order by routine_type, routine_name
""", """
select 'EVENT', event_name, '', sql_mode, character_set_client, collation_connection, time_zone
from information_schema.events where event_schema = database() order by 2
"""  # fmt: skip


@dataclass(frozen=True)
class Definition:
    """One of them."""

    kind: str  # as SHOW CREATE and DROP name it
    name: str
    table: str  # of a trigger
    sql_mode: str
    client: str
    collation: str
    time_zone: str
    create: str

    @property
    def of(self) -> tuple[str, str]:
        """What no other of the database has."""
        return self.kind, self.name

    @property
    def definer(self) -> str | None:
        """The account that it runs as, `name@host`."""
        found = _DEFINER.search(self.create)
        return "@".join(part.replace("``", "`") for part in found.groups()) if found else None

    @property
    def together(self) -> tuple[str, str] | None:
        """What is made anew together: a package goes with its body, and triggers fire in the order they were made."""
        if self.kind == TRIGGER:
            return TRIGGER, self.table
        return (PACKAGE, self.name) if self.kind.startswith(PACKAGE) else None

    def made(self, *, instead: bool = False) -> list[str]:
        """Return the statements that make it; `instead`: a view in the place of what is there."""
        if self.kind == RIGHT:
            return [self.create]
        settings = [f"sql_mode = '{self.sql_mode}'", f"character_set_client = {self.client}"]
        settings.append(f"collation_connection = {self.collation}")
        settings += [f"time_zone = '{self.time_zone}'"] if self.time_zone else []
        create = self.create.replace("CREATE ", "CREATE OR REPLACE ", 1) if instead else self.create
        return [f"set {', '.join(settings)}", create, "set names utf8mb4"]

    def dropped(self) -> str:
        """Return the statement that drops it."""
        return self.name if self.kind == RIGHT else f"DROP {self.kind} IF EXISTS {quoted(self.name)}"


def granting(statement: str, on: str = "", gone_by: str = "") -> Definition:
    """Return what gives a right, `on` a routine where it says so (kind and name, with a tab between).

    `gone_by` is the statement that takes it again.
    """
    return Definition(RIGHT, gone_by or statement, on, "", "", "", "", statement)


def read(target: Target, stop: Stop) -> list[Definition]:
    """Return all that there is. Raises TargetNotReady where the user may not see the definition of one."""
    listed = session.run(target, ("set character_set_results = binary", *_LIST), stop, "listing its views and routines")
    shown = [f"show create {row[0]} {quoted(row[1])}" for row in listed]
    marked = [each for number, show in enumerate(shown) for each in (f"select 'mark {number}'", show)]
    doing = "reading its views and routines"
    rows = session.run(target, ("set character_set_results = binary", *marked), stop, doing) if marked else []
    answers: dict[int, list[str]] = {}
    at = -1
    for row in rows:
        if len(row) == 1 and row[0] == f"mark {at + 1}":
            at += 1
        else:
            answers.setdefault(at, row)
    return [_definition(target, row, answers.get(number, [])) for number, row in enumerate(listed)]


def _definition(target: Target, listed: Sequence[str], shown: Sequence[str]) -> Definition:
    column = _COLUMN.get(listed[0], 2)
    create = shown[column] if len(shown) > column else "NULL"
    if create == "NULL":
        raise HoldfastError(
            Reason.TARGET_NOT_READY,
            f"the restore's user has no right to see the definition of {listed[0].lower()} {listed[1]!r} of "
            f"{target}, and could not create it again",
            "GRANT SHOW_ROUTINE ON *.* (MySQL) or SHOW CREATE ROUTINE ON the database (MariaDB) TO the restore's user",
        )
    kind, name, table, sql_mode, client, collation, time_zone = listed
    return Definition(kind, name, table, sql_mode, client, collation, time_zone, create)


def packed(definitions: Iterable[Definition]) -> list[str]:
    """Return each as one line of ASCII."""
    return [json.dumps(asdict(each)) for each in definitions]


def unpacked(lines: Iterable[str]) -> list[Definition]:
    """Return what was packed."""
    return [Definition(**json.loads(line)) for line in lines]


@dataclass(frozen=True)
class Change:
    """From what is there to what is wanted."""

    there: list[Definition]
    wanted: list[Definition]

    @classmethod
    def within(cls, there: Iterable[Definition], wanted: Iterable[Definition]) -> Self:
        """Leave out what is there as it is wanted; rights are given in any case."""
        have, want = [each for each in there if each.kind != RIGHT], list(wanted)
        differ = set(have) ^ set(want)
        together = {each.together for each in differ if each.together}

        def changed(each: Definition) -> bool:
            return each in differ or each.together in together

        return cls(list(filter(changed, have)), list(filter(changed, want)))

    def statements(self) -> list[str]:
        """Return what makes it so. A routine or view that is the same is not touched: its grants would go with it."""
        views = {each.name for each in self.wanted if each.kind == VIEW}
        gone = [each.dropped() for each in self.there if each.kind != VIEW or each.name not in views]
        order = {VIEW: 1, TRIGGER: 2, EVENT: 3, RIGHT: 4}
        wanted = sorted(upon_each_other(self.wanted), key=lambda each: order.get(each.kind, 0))
        return [*gone, *(said for each in wanted for said in each.made(instead=each.kind == VIEW))]


def upon_each_other(definitions: Iterable[Definition]) -> list[Definition]:
    """Return them so that a view comes after those whose names its own text has; a package before its body."""
    left = {each.of: each for each in definitions}
    names = {quoted(each.name): each for each in left.values() if each.kind == VIEW}
    ordered: list[Definition] = []
    begun: set[tuple[str, str]] = set()
    stack = list(reversed(left.values()))
    while stack:
        each = stack[-1]
        upon = [names[word] for word in _words(each) if word in names] if each.kind == VIEW else []
        wanted = [other for other in upon if other.of not in begun] if each.of not in begun else []
        begun.add(each.of)
        if wanted:
            stack += wanted
        else:
            stack.pop()
            ordered += [each] if each not in ordered else []
    return ordered


def _words(definition: Definition) -> list[str]:
    said = tokens(definition.create.encode(errors=BYTES), b"")
    return [text.decode(errors=BYTES) for _, text in said]


def renamed(definition: Definition, database: str, to: str) -> Definition:
    """Return it with the full names of one database made those of another: a view may have them."""
    said = definition.create.encode(errors=BYTES)
    found, parts, at = tokens(said, b""), [], 0
    for (place, text), (_, dot) in pairwise(found):
        if text == quoted(database).encode() and dot == b".":
            parts += [said[at:place], quoted(to).encode()]
            at = place + len(text)
    create = b"".join([*parts, said[at:]]).decode(errors=BYTES)
    return Definition(**{**asdict(definition), "create": create})


def upon(trigger: Definition, table: str) -> Definition:
    """Return a trigger that is made upon another table. Raises ValueError for a form that no server writes."""
    said = trigger.create.encode(errors=BYTES)
    found = [each for each in tokens(said, trigger.sql_mode.encode()) if not _nothing(each[1])]
    on = next(number for number, (_, text) in enumerate(found) if text.upper() == b"ON")
    first, last = on + 1, on + 1
    if found[on + 2][1] == b".":
        last = on + 3
    start, end = found[first][0], found[last][0] + len(_spelt(said, found, last))
    create = (said[:start] + quoted(table).encode() + said[end:]).decode(errors=BYTES)
    return Definition(**{**asdict(trigger), "create": create})


def awake(event: Definition) -> Definition:
    """Return an event that was put to sleep as it was before: see only_target.py."""
    said = event.create.encode(errors=BYTES)
    place = next(at for at, text in tokens(said, event.sql_mode.encode()) if text.upper() == b"DISABLE")
    create = (said[:place] + b"ENABLE" + said[place + len(b"DISABLE") :]).decode(errors=BYTES)
    return Definition(**{**asdict(event), "create": create})


def _nothing(text: bytes) -> bool:
    return text.isspace() or text.startswith(NOTHING)


def _spelt(said: bytes, found: Sequence[tuple[int, bytes]], number: int) -> bytes:
    """Return a token as it stands there: a name between double quotes was made one between backquotes."""
    place, text = found[number]
    return text if said.startswith(text, place) else said[place : said.index(b'"', place + 1) + 1]
