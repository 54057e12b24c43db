"""MySQL and MariaDB replaced in one step: killed or refused between any two statements, it is as before or whole."""

import itertools
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from holdfast.api.database import Engine, TLSMode
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import code, exchange, only_target, replacing, target_rights
from holdfast.runner.engines.mysql.code import Change, Definition
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.exchange import Exchange
from holdfast.runner.engines.mysql.flavour import FLAVOURS
from holdfast.runner.engines.mysql.routine_rights import Carried
from holdfast.runner.engines.mysql.schemas import KEPT, Schema
from holdfast.runner.engines.protocol import Switched
from holdfast.runner.pod.stop import Stop

TARGET = Target(FLAVOURS[Engine.MYSQL], "db", "3306", "u", "orders", TLSMode.PREFER, Path("/c.cnf"))
_NAME = "`((?:[^`]|``)*)`"


def a_definition(create, sql_mode="", time_zone=""):
    """Make one of its statement."""
    found = re.match(rf"CREATE (?:OR REPLACE )?(?:DEFINER=\S+ )?(PACKAGE BODY|\w+) {_NAME}(?:.*? ON {_NAME})?", create)
    kind, name, table = found.groups()
    create = create.replace("OR REPLACE ", "")
    return Definition(kind, name, table if kind == "TRIGGER" else "", sql_mode, "utf8mb4", "c", time_zone, create)


def definitions(*creates):
    return [a_definition(create) for create in creates]


OLD = (
    "CREATE FUNCTION `f`() RETURN 1",
    "CREATE PROCEDURE `gone`() SELECT 1",
    "CREATE PROCEDURE `p`() SELECT 1",
    "CREATE VIEW `v` AS select `f`() from `a`",
    "CREATE VIEW `became_a_table` AS select 1",
    "CREATE TRIGGER `t` BEFORE INSERT ON `b` FOR EACH ROW SET @x = 1",
    "CREATE TRIGGER `u` AFTER INSERT ON `b` FOR EACH ROW SET @y = 1",
    "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ENABLE DO SELECT 1",
)
NEW = (
    "CREATE FUNCTION `f`() RETURN 1",
    "CREATE PROCEDURE `p`() SELECT 2",
    "CREATE VIEW `v` AS select `f`() + 1 from `w`",
    "CREATE VIEW `w` AS select 1 from `a`",
    "CREATE TRIGGER `t` BEFORE INSERT ON `b` FOR EACH ROW SET @x = 2",
    "CREATE EVENT `new` ON SCHEDULE EVERY 1 DAY ENABLE DO SELECT 2",
)


class KilledError(BaseException):
    """The Pod is gone."""


@dataclass
class Database:
    tables: dict[str, str] = field(default_factory=dict)  # each with what it holds
    code: dict[tuple[str, str], Definition] = field(default_factory=dict)
    rights: set[str] = field(default_factory=set)  # on routines, as a server shows them: they go when one is dropped

    def shown(self):
        tables = {name: held for name, held in self.tables.items() if not name.startswith("holdfast_")}
        return tables, set(self.code.values()), self.rights


@dataclass
class Server:
    """A server with its databases; the n-th statement fails."""

    databases: dict[str, Database] = field(default_factory=dict)
    fails_at: int | None = None
    fails_with: BaseException | None = None
    said: list[str] = field(default_factory=list)

    def statement(self, database, said):
        if self.fails_at is not None:
            if not self.fails_at:
                if not isinstance(self.fails_with, KilledError):
                    self.fails_at = None
                raise self.fails_with
            self.fails_at -= 1
        self.said.append(said)
        here = self.databases[database]
        if said.startswith("RENAME TABLE"):
            self.rename(re.findall(rf"{_NAME}\.{_NAME} TO {_NAME}\.{_NAME}", said))
        elif dropped := re.match(rf"DROP (.+) IF EXISTS {_NAME}$", said):
            here.code.pop(dropped.groups(), None)
            here.rights -= {each for each in here.rights if f"{dropped[1]} `orders`.`{dropped[2]}`" in each}
        elif said.startswith(("GRANT ", "REVOKE ")):
            self.granted(said)
        elif said.startswith("CREATE "):
            made = a_definition(said)
            assert made.of not in here.code or "OR REPLACE" in said, f"{made.of} is there"
            assert made.kind != "VIEW" or made.name not in here.tables
            here.code[made.of] = made
        return [["at", "1.5"]] if "'at'" in said else []

    def granted(self, said):
        live = self.databases["orders"]
        right = said.replace("REVOKE", "GRANT").replace(" FROM ", " TO ")
        assert routine_of(right) in live.code or said != right, "it does not exist"
        if said == right:
            live.rights.add(right)
        elif right in live.rights:
            live.rights.remove(right)
        else:
            raise HoldfastError(Reason.RESTORE_FAILED, "ERROR 1403 (42000): There is no such grant", "no")

    def rename(self, pairs):
        for schema, name, to, new in pairs:
            source, goal = self.databases[schema], self.databases[to]
            triggers = [each for each in source.code.values() if each.table == name]
            assert schema == to or not triggers, "Trigger in wrong schema"
            assert new not in goal.tables, f"{new} is there"
            assert ("VIEW", new) not in goal.code, f"{new} is there"
            goal.tables[new] = source.tables.pop(name)
            for each in triggers:
                source.code[each.of] = code.upon(replace(each, table=new), new)


@dataclass(frozen=True)
class Fake:
    """See schemas.Schema."""

    server: Server
    name: str
    target: Target = TARGET
    stop: Stop = field(default_factory=Stop)

    def beside(self, name):
        return Fake(self.server, name, replace(TARGET, database=name), self.stop)

    @property
    def here(self):
        return self.server.databases[self.name]

    def run(self, statements, _doing, *, whole=False):  # noqa: ARG002
        return [row for each in statements for row in self.server.statement(self.name, each)]

    def reach(self):
        pass

    def is_there(self):
        return self.name in self.server.databases

    def make(self, _character_set, _collation):
        self.server.databases.setdefault(self.name, Database())

    def drop(self):
        self.server.databases.pop(self.name, None)

    def charset(self):
        return "utf8mb4", "utf8mb4_bin"

    def tables(self):
        return sorted(self.here.tables) if self.is_there() else []

    def code(self):
        return list(self.here.code.values())

    def pack(self, table, kept):
        self.run(["pack"], "")
        self.here.tables[table] = code.packed(kept)

    def unpack(self, table):
        return code.unpacked(self.here.tables[table])


def execute(routine):
    return f"GRANT EXECUTE ON {routine} TO `app`@`%`"


def routine_of(right):
    return re.match(r"GRANT EXECUTE ON (\w+) `orders`\.`(\w+)`", right).groups()


def carried(schema):
    return Carried([code.granting(each, "\t".join(routine_of(each))) for each in sorted(schema.here.rights)])


@pytest.fixture(autouse=True)
def rights_on_routines(monkeypatch):
    monkeypatch.setattr(exchange.routine_rights, "read", carried)


RIGHTS = {execute("FUNCTION `orders`.`f`"), execute("PROCEDURE `orders`.`p`"), execute("PROCEDURE `orders`.`gone`")}


def a_server():
    old = {"a": "old a", "b": "old b", "gone": "old"}
    new = {"a": "new a", "b": "new b", "became_a_table": "new"}
    return Server({
        "orders": Database(old, {each.of: each for each in definitions(*OLD)}, set(RIGHTS)),
        "orders_restoring": Database(new, {each.of: each for each in definitions(*NEW)}),
    })  # fmt: skip


GIVEN = execute("FUNCTION `orders`.`f`").replace("app", "reader")

REVOKED = GIVEN.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")


def an_exchange(server, incoming="orders_restoring", outgoing="orders_before"):
    target = Fake(server, "orders")
    return Exchange(
        target, target.beside(incoming), target.beside(outgoing), following=[code.granting(GIVEN, gone_by=REVOKED)]
    )


BEFORE = a_server().databases["orders"].shown()
AFTER = (
    *a_server().databases["orders_restoring"].shown()[:2],
    {GIVEN, execute("FUNCTION `orders`.`f`"), execute("PROCEDURE `orders`.`p`")},
)


def test_all_of_it_takes_the_targets_place_and_the_old_tables_stay():
    server = a_server()
    assert an_exchange(server).make() == 0.0
    assert server.databases["orders"].shown() == AFTER
    assert server.databases["orders_before"].tables.keys() == {"a", "b", "gone", KEPT}
    assert "orders_restoring" not in server.databases
    assert an_exchange(server).done()


def test_what_is_the_same_is_not_touched_so_that_its_grants_stay():
    server = a_server()
    an_exchange(server).make()
    assert not [each for each in server.said if re.match(r"(CREATE|DROP) FUNCTION", each)]


def test_a_table_with_triggers_has_its_name_only_once_it_has_them():
    server = a_server()
    an_exchange(server).make()
    renames = [number for number, each in enumerate(server.said) if each.startswith("RENAME")]
    created = next(number for number, each in enumerate(server.said) if each.startswith("CREATE TRIGGER"))
    assert renames[0] < created < renames[1]
    assert "TO `orders`.`b`" not in server.said[renames[0]]
    assert "TO `orders`.`b`" in server.said[renames[1]]


def test_it_is_put_back_whole():
    server = a_server()
    an_exchange(server).make()
    an_exchange(server, "orders_before", "orders_undone").make()
    assert server.databases["orders"].shown() == (*BEFORE[:2], {*RIGHTS, GIVEN}), "on what stays, they stay"
    assert server.databases.keys() == {"orders", "orders_undone"}


STATEMENTS = 35  # that a replacement takes here


def test_each_statement_is_tried():
    server = a_server()
    an_exchange(server).make()
    assert len(server.said) == STATEMENTS


@pytest.mark.parametrize("number", range(STATEMENTS))
def test_killed_before_any_statement_the_next_pod_finds_it_as_before_or_brings_it_to_the_end(number):
    server = a_server()
    server.fails_at, server.fails_with = number, KilledError()
    with pytest.raises(KilledError):
        an_exchange(server).make()
    server.fails_at = None
    if an_exchange(server).done():
        assert server.databases["orders"].shown() == AFTER
        assert server.databases.keys() == {"orders", "orders_before"}
    else:
        assert server.databases["orders"].shown() == BEFORE
        assert "orders_before" not in server.databases


@pytest.mark.parametrize("number", range(STATEMENTS))
def test_refused_at_any_statement_all_is_as_it_was(number):
    server = a_server()
    server.fails_at, server.fails_with = number, HoldfastError(Reason.RESTORE_FAILED, "ERROR 1142 (42000)", "no")
    with pytest.raises(HoldfastError, match="1142"):
        an_exchange(server).make()
    assert server.databases["orders"].shown() == BEFORE
    assert "orders_before" not in server.databases


@pytest.mark.parametrize("number", range(STATEMENTS))
def test_a_lock_is_waited_for_in_short_tries(number, monkeypatch):
    monkeypatch.setattr(exchange, "PAUSE", 0)
    server = a_server()
    server.fails_at, server.fails_with = number, HoldfastError(Reason.RESTORE_FAILED, "ERROR 1205 (HY000)", "wait")
    try:
        an_exchange(server).make()
    except HoldfastError:
        assert server.databases["orders"].shown() == BEFORE
    else:
        assert server.databases["orders"].shown() == AFTER


def test_a_lock_that_stays_is_told_and_all_is_as_it_was(monkeypatch):
    monkeypatch.setattr(exchange, "PAUSE", 0)
    server = a_server()
    real = server.rename
    monkeypatch.setattr(server, "rename", lambda _: (_ for _ in ()).throw(
        HoldfastError(Reason.RESTORE_FAILED, "ERROR 1205 (HY000)", "wait")
    ))  # fmt: skip
    with pytest.raises(HoldfastError, match="SwitchFailed") as caught:
        an_exchange(server).make()
    assert "stayed locked" in caught.value.message
    assert server.databases["orders"].shown() == BEFORE
    server.rename = real


def test_a_database_of_the_kept_ones_name_that_is_somebodys_is_not_touched():
    server = a_server()
    server.databases["orders_before"] = Database({"theirs": "x"})
    with pytest.raises(HoldfastError, match="TargetNotReady"):
        an_exchange(server).done()
    assert server.databases["orders_before"].tables == {"theirs": "x"}


def test_what_was_removed_cannot_be_put_back():
    server = a_server()
    with pytest.raises(HoldfastError, match="DatabaseNotFound"):
        replacing.swapped_back(Fake(server, "orders"), "orders_before", "orders_undone", [])


def test_put_back_by_an_earlier_pod_is_found():
    server = a_server()
    an_exchange(server).make()
    an_exchange(server, "orders_before", "orders_undone").make()
    found = replacing.swapped_back(Fake(server, "orders"), "orders_before", "orders_undone", [])
    assert found == Switched("orders_undone", None)


def test_only_what_is_named_is_removed():
    server = a_server()
    assert replacing.dropped(Fake(server, "orders"), ["orders_restoring", "orders_before"]) == ["orders_restoring"]
    assert server.databases.keys() == {"orders"}


# definitions


@pytest.mark.parametrize(
    ("create", "mode", "becomes"),
    [
        ("CREATE TRIGGER `t` BEFORE INSERT ON `b` FOR EACH ROW SET @a = 1", "",
         "CREATE TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW SET @a = 1"),
        ("CREATE DEFINER=`o`@`n` trigger on_b before insert on shop.b for each row set @a = 1", "",
         "CREATE DEFINER=`o`@`n` trigger on_b before insert on `x` for each row set @a = 1"),
        ("CREATE trigger t after update /* on c */ on \"b\" for each row set @a = 1", "ANSI_QUOTES",
         "CREATE trigger t after update /* on c */ on `x` for each row set @a = 1"),
    ],
)  # fmt: skip
def test_a_trigger_is_made_upon_another_table(create, mode, becomes):
    trigger = Definition("TRIGGER", "t", "b", mode, "utf8mb4", "c", "", create)
    assert code.upon(trigger, "x").create == becomes


def test_a_view_that_names_its_database_names_the_targets():
    view = a_definition("CREATE VIEW `v` AS select `fresh`.`f`('`fresh`.`f`') from `fresh`.`t` join `other`.`fresh`")
    assert code.renamed(view, "fresh", "or`ders").create == (
        "CREATE VIEW `v` AS select `or``ders`.`f`('`fresh`.`f`') from `or``ders`.`t` join `other`.`fresh`"
    )


def test_a_view_comes_after_those_that_it_reads_whatever_their_names():
    views = definitions("CREATE VIEW `a` AS select 1 from `b`", "CREATE VIEW `b` AS select 1 from `c`",
                        "CREATE VIEW `c` AS select 1 AS `a`")  # fmt: skip
    for order in itertools.permutations(views):
        names = [each.name for each in code.upon_each_other(order)]
        assert sorted(names) == ["a", "b", "c"]
        assert names.index("c") < names.index("b") or names == ["b", "a", "c"], "c only seems to read a"


def test_a_package_goes_with_its_body_and_triggers_of_a_table_together():
    there = definitions("CREATE PACKAGE `p` AS 1", "CREATE PACKAGE BODY `p` AS 2", *OLD[5:7])
    wanted = definitions("CREATE PACKAGE `p` AS 3", "CREATE PACKAGE BODY `p` AS 2", OLD[6])
    change = Change.within(there, wanted)
    assert [each.of for each in change.wanted] == [("PACKAGE", "p"), ("PACKAGE BODY", "p"), ("TRIGGER", "u")]


def test_definitions_of_any_bytes_are_kept():
    kept = [replace(a_definition(OLD[0]), create="CREATE FUNCTION `f`() RETURN '\udcff\\ \n'")]
    assert code.unpacked(code.packed(kept)) == kept
    assert all(line.isascii() for line in code.packed(kept))


def test_definers_are_named():
    assert a_definition("CREATE DEFINER=`o``d`@`%` VIEW `v` AS select 1").definer == "o`d@%"
    assert a_definition("CREATE VIEW `v` AS select 1").definer is None


EVENT = (
    b"DELIMITER ;;\n/*!50106 CREATE*/ /*!50117 DEFINER=`app`@`%%`*/ /*!50106 EVENT `e``x` ON SCHEDULE EVERY 1 DAY "
    b"ON COMPLETION PRESERVE %s DO SELECT 'ENABLE' */ ;;\nDELIMITER ;\n"
)


def test_an_event_sleeps_until_it_is_in_its_place():
    asleep = set()
    said = b"".join(only_target.for_target([EVENT % b"ENABLE"], "orders", "fresh", asleep))
    assert said == EVENT % b"DISABLE"
    assert asleep == {"e`x"}
    event = a_definition("CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 'DISABLE'")
    assert code.awake(event).create == "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ENABLE DO SELECT 'DISABLE'"


def test_an_event_that_does_not_run_is_left_as_it_is():
    asleep = set()
    said = b"".join(only_target.for_target([EVENT % b"DISABLE"], "orders", "fresh", asleep))
    assert (said, asleep) == (EVENT % b"DISABLE", set())
    assert b"".join(only_target.for_target([EVENT % b"ENABLE"], "orders", "fresh")) == EVENT % b"ENABLE"


# rights


@pytest.mark.parametrize(
    ("grants", "says"),
    [
        pytest.param(["GRANT ALL PRIVILEGES ON *.* TO `r`@`%`"], None, id="an administrator"),
        pytest.param(
            ["GRANT ALL PRIVILEGES ON `orders`.* TO `r`@`%`", r"GRANT ALL PRIVILEGES ON `orders\_%`.* TO `r`@`%`",
             "GRANT SET_ANY_DEFINER,SHOW_ROUTINE,SYSTEM_USER ON *.* TO `r`@`%`"], None, id="what the docs say",
        ),
        pytest.param(
            ["GRANT ALL PRIVILEGES ON `orders`.* TO `r`@`%`", "GRANT SHOW_ROUTINE ON *.* TO `r`@`%`"],
            r"GRANT ALL ON `orders\_%`.* TO the_user@`%`;", id="none beside",
        ),
        pytest.param(
            [f"GRANT {', '.join(target_rights.NEEDED)} ON *.* TO `r`@`%`"], None, id="each by name, everywhere",
        ),
        pytest.param(
            [f"GRANT {', '.join(target_rights.NEEDED[1:])}, SHOW_ROUTINE ON *.* TO `r`@`%`"],
            "GRANT ALL ON `orders`.*", id="one is missing",
        ),
        pytest.param(
            ["GRANT ALL PRIVILEGES ON `orders`.* TO `r`@`%`", r"GRANT ALL PRIVILEGES ON `orders\_%`.* TO `r`@`%`"],
            "GRANT SHOW_ROUTINE ON *.* TO the_user@`%`;", id="routines cannot be seen",
        ),
    ],
)  # fmt: skip
def test_rights_are_asked_for_before_anything_begins(monkeypatch, grants, says):
    rows = [["who", "9.7.0", "r@%"], *([each] for each in grants)]
    monkeypatch.setattr(Schema, "run", lambda *_, **__: rows)
    names = ["orders_restoring_1", "orders_before_1"]
    if says is None:
        target_rights.require(Schema(TARGET, Stop()), names)
    else:
        with pytest.raises(HoldfastError, match="TargetNotReady") as caught:
            target_rights.require(Schema(TARGET, Stop()), names)
        assert says in caught.value.remedy
