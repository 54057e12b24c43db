"""Has the tables of one database take the places of another's in one statement; the other's stay in a third database.

`RENAME TABLE` swaps all tables at once, and foreign keys and grants on tables keep to what they name. Triggers, views,
routines and events do not move: their definitions are kept beside the tables, in a table of their own, whose name
changes in the very same statement. So whoever comes after a kill knows from the server on which side of it he is.
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import routine_rights
from holdfast.runner.engines.mysql.code import EVENT, TRIGGER, VIEW, Change, Definition, awake, renamed, upon
from holdfast.runner.engines.mysql.errors import number
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.runner.engines.mysql.schemas import KEPT, PENDING, Schema
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

LOCK_SECONDS = 2  # that one try waits: as long, others wait behind it
TRIES = 10
PAUSE = 1.0  # seconds between two tries
_LOCKED = 1205
_NO_SUCH_GRANT = (1141, 1147, 1403)
_NOW = "select 'at', cast(unix_timestamp(sysdate(6)) as char)"
_SWITCHING = "switching"


@dataclass(frozen=True)
class Exchange:
    """Who takes whose place."""

    target: Schema
    incoming: Schema
    outgoing: Schema
    asleep: Collection[str] = ()
    """Events of what comes in that were put to sleep, and are to wake in their place."""
    warnings: list[str] = field(default_factory=list)
    following: Collection[Definition] = ()
    """Rights that are given in their place."""

    def done(self) -> bool:
        """Tell whether an earlier Pod came past the switch, and bring that to its end; what one only began is undone.

        Raises TargetNotReady where the name of what goes out is somebody else's database.
        """
        if not self.outgoing.is_there():
            return False
        has = self.outgoing.tables()
        if KEPT in has:
            if self.incoming.is_there():
                self._finish()
            return True
        if set(has) - {PENDING}:
            raise HoldfastError(
                Reason.TARGET_NOT_READY,
                f"the server already has a database {self.outgoing.name!r}, the name for the old database of "
                f"{self.target.target}, and its tables are not from a restore",
                "find out whose database it is, drop or rename it, then restore again; nothing was changed",
            )
        if PENDING in has:
            self.undo(self.outgoing.unpack(PENDING))
        self.outgoing.drop()
        return False

    def make(self) -> float:
        """Exchange them; return for how many seconds at most nobody could write.

        Raises SwitchFailed, or what the server refused: all is as it was.
        """
        after = self.unstopped()
        try:
            goes, comes = self._kept()
        except HoldfastError:
            after.done()
            raise
        try:
            seconds = self._tried(goes, comes)
        except HoldfastError:
            if KEPT in after.outgoing.tables():
                after.back(comes)
                after.withdraw()
            after.undo(goes)
            after.outgoing.drop()
            raise
        try:
            after.incoming.drop()
        except HoldfastError as error:  # it is done all the same
            self.warnings.append(f"the empty database {self.incoming.name!r} could not be dropped: {error.message}")
        return seconds

    def unstopped(self) -> "Exchange":
        """Return what does not heed that the task is to end: what was begun is put in order first."""
        target, incoming, outgoing = (
            replace(each, stop=Stop()) for each in (self.target, self.incoming, self.outgoing)
        )
        return Exchange(target, incoming, outgoing, self.asleep, self.warnings, self.following)

    def _kept(self) -> tuple[list[Definition], list[Definition]]:
        """Have the definitions of both sides in tables; return them."""
        goes = self.target.code()
        carried = routine_rights.read(self.target)
        self.outgoing.make(*self.target.charset())
        self.outgoing.pack(PENDING, [*goes, *carried.given])
        if KEPT not in self.incoming.tables():
            found = self.incoming.code()
            comes = [self._in_place(each) for each in found]
            self.incoming.pack(KEPT, [*comes, *carried.of(comes), *self.following])
            self.incoming.run([each.dropped() for each in found if each.kind in (TRIGGER, EVENT)], "dropping triggers")
        comes = self.incoming.unpack(KEPT)
        self.warnings.extend(carried.lost(goes, comes))
        return [*goes, *carried.given], comes

    def _in_place(self, found: Definition) -> Definition:
        if found.kind == EVENT and found.name in self.asleep:
            return awake(found)
        return renamed(found, self.incoming.name, self.target.name)

    def _tried(self, goes: list[Definition], comes: list[Definition]) -> float:
        """Try until the locks are had. Raises SwitchFailed."""
        script = self._script(goes, comes)
        for left in range(TRIES - 1, -1, -1):
            try:
                rows = self.target.run(script, _SWITCHING, whole=True)
            except HoldfastError as error:
                if number(error.message) != _LOCKED or KEPT in self.outgoing.tables():
                    raise
                self.undo(goes)
                if not left:
                    raise self._locked() from error
                self.target.stop.wait(PAUSE)
            else:
                at = [float(row[1]) for row in rows if row[0] == "at"]
                return max(0.0, at[-1] - at[0])
        raise AssertionError("the last try raises")

    def _script(self, goes: list[Definition], comes: list[Definition]) -> list[str]:
        """Return the step: what was in the way goes, all tables are swapped, what belongs to the new ones is made."""
        out, into = self.target.tables(), [name for name in self.incoming.tables() if name != KEPT]
        first = [each for each in goes if each.kind in (TRIGGER, EVENT) or (each.kind == VIEW and each.name in into)]
        hidden = _hidden(comes)
        swaps = [_swap(self.target, name, self.outgoing, name) for name in out]
        swaps += [_swap(self.outgoing, PENDING, self.outgoing, KEPT)]
        swaps += [_swap(self.incoming, name, self.target, hidden.get(name, name)) for name in into]
        return [
            f"set session lock_wait_timeout = {LOCK_SECONDS}",
            _NOW,
            *(each.dropped() for each in first),
            f"RENAME TABLE {', '.join(swaps)}",
            *self._following([each for each in goes if each not in first], comes, hidden),
            _NOW,
        ]

    def _following(self, there: Iterable[Definition], comes: list[Definition], hidden: dict[str, str]) -> list[str]:
        """Return what makes the swapped tables whole. One with triggers has its name only once it has them."""
        live = list(there)
        triggers = [upon(each, hidden[each.table]) for each in comes if each.kind == TRIGGER and each.table in hidden]
        shown = [_swap(self.target, name, self.target, real) for real, name in hidden.items()]
        others = [each for each in comes if each.kind != TRIGGER]
        return [
            *(said for each in triggers for said in each.made()),
            *([f"RENAME TABLE {', '.join(shown)}"] if shown else []),
            *self._defaults(),
            *Change.within([each for each in live if each.kind != TRIGGER], others).statements(),
            *self._collation(),
        ]

    def _collation(self) -> list[str]:
        character_set, collation = self.incoming.charset()
        if self.target.charset() == (character_set, collation):
            return []
        return [f"ALTER DATABASE {quoted(self.target.name)} CHARACTER SET {character_set} COLLATE {collation}"]

    def _defaults(self) -> list[str]:
        """Have a default that takes a sequence's next value (MariaDB) take that of the sequence's new place."""
        mine, new = quoted(self.incoming.name), quoted(self.target.name)
        rows = [row for schema in (self.incoming, self.target) for row in schema.run([_DEFAULTS], "reading defaults")]
        return [
            f"ALTER TABLE {quoted(row[0])} ALTER COLUMN {quoted(row[1])} SET DEFAULT ({row[2].replace(mine, new)})"
            for row in rows
            if mine in row[2]
        ]

    def _finish(self) -> None:
        """Do what follows upon the swap, as far as an earlier Pod had not done it."""
        comes = self.incoming.unpack(KEPT)
        live, tables = self.target.code(), self.target.tables()
        hidden = {real: name for real, name in _hidden(comes).items() if name in tables}
        made = {each.of for each in live}
        left = [each for each in comes if each.kind != TRIGGER or each.of not in made]
        self.target.run(self._following(live, left, hidden), _SWITCHING, whole=True)
        self.incoming.drop()

    def back(self, comes: list[Definition]) -> None:
        """Swap the tables back: what followed upon the swap was refused."""
        hidden = {name: real for real, name in _hidden(comes).items()}
        live = [each for each in self.target.code() if each.kind in (TRIGGER, EVENT)]
        swaps = [_swap(self.target, name, self.incoming, hidden.get(name, name)) for name in self.target.tables()]
        swaps += [_swap(self.outgoing, KEPT, self.outgoing, PENDING)]
        kept = [name for name in self.outgoing.tables() if name != KEPT]
        swaps += [_swap(self.outgoing, name, self.target, name) for name in kept]
        self.target.run(
            [*(each.dropped() for each in live), f"RENAME TABLE {', '.join(swaps)}"], "swapping back", whole=True
        )

    def withdraw(self) -> None:
        """Take rights back that were given in the place of what comes in; some were not given yet."""
        for each in self.following:
            try:
                self.target.run([each.dropped()], "taking back rights", whole=True)
            except HoldfastError as error:
                if number(error.message) not in _NO_SUCH_GRANT:
                    self.warnings.append(one_line(f"a right could not be taken back: {error.message}", 400))

    def undo(self, goes: list[Definition]) -> None:
        """Give the target what it had besides its tables, where that was dropped already."""
        change = Change.within(self.target.code(), goes)
        if statements := change.statements():
            self.target.run(statements, "putting back triggers", whole=True)

    def _locked(self) -> HoldfastError:
        rows = self.target.run([_WHO], "asking who is in the way")
        who = few([f"{row[0]} ({one_line(row[1], 80)} for {row[2]} s)" for row in rows], 5)
        return HoldfastError(
            Reason.SWITCH_FAILED,
            f"a table of {self.target.target} stayed locked during {TRIES} attempts of {LOCK_SECONDS} s; sessions "
            f"that the restore's user can see: {who or 'none'}",
            "find the session that holds the lock with SHOW PROCESSLIST and end it with KILL (an open transaction is "
            "enough), or stop the application, then restore again; nothing was changed",
        )


_WHO = """
select id, concat(user, '@', host, ' ', command), time from information_schema.processlist
where db = database() and id <> connection_id() order by time desc limit 20
"""
_DEFAULTS = """
select table_name, column_name, column_default from information_schema.columns
where table_schema = database() and column_default like '%nextval%'
"""


def _hidden(comes: Iterable[Definition]) -> dict[str, str]:
    """Return what tables with triggers are called until they have them."""
    tables = {each.table for each in comes if each.kind == TRIGGER}
    return {table: f"holdfast_{hashlib.sha256(table.encode(errors='replace')).hexdigest()[:20]}" for table in tables}


def _swap(schema: Schema, name: str, to: Schema, new: str) -> str:
    return f"{quoted(schema.name)}.{quoted(name)} TO {quoted(to.name)}.{quoted(new)}"
