"""In which order a restore of MySQL or MariaDB gives accounts and rights, what stops it, and what it takes back."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.unit.test_runner_mysql_replace import TARGET

from holdfast.api.database import Engine
from holdfast.api.restoring import GlobalsMode
from holdfast.contract.globals import VERSION, GlobalGrant, GlobalMembership, GlobalObject, GlobalRole, Globals
from holdfast.contract.needs import ManifestNeed, NeedKind
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import accounts, session, target_needs
from holdfast.runner.engines.mysql.account_rows import Found
from holdfast.runner.engines.mysql.flavour import FLAVOURS
from holdfast.runner.engines.mysql.giving import Giving
from holdfast.runner.pod.stop import Stop

MAY = r"GRANT ALL PRIVILEGES ON `orders%`.* TO `r`@`%` WITH GRANT OPTION"
APP, BOB = GlobalGrant(to="app@%", privileges=["SELECT"]), GlobalGrant(to="bob@%", privileges=["INSERT"])
TABLE = GlobalObject(kind="table", names=["t"], grants=[GlobalGrant(to="app@%", privileges=["UPDATE"])])
FOUND = Globals(
    version=VERSION, engine="mysql", database="orders", grants=[APP, BOB],
    roles=[GlobalRole(name="app@%", login=True), GlobalRole(name="bob@%", login=True)], objects=[TABLE],
)  # fmt: skip


class Server:
    """What the server has; statements with a word of `refuses` fail."""

    def __init__(self):
        self.accounts, self.there, self.exact = {"bob@%"}, {("table", "t")}, set()
        self.grants, self.objects, self.memberships = [], [], set()
        self.refuses = ()
        self.rights, self.said, self.databases = [MAY], [], []

    def look(self, target, _stop):
        self.databases.append(target.database)
        held = Globals(version=VERSION, engine="mysql", database="x", grants=self.grants, objects=self.objects)
        sets = map(frozenset, (self.accounts, self.memberships, self.there, self.exact))
        return Found(held, *sets)

    def run(self, _target, _statements, _stop, _doing, **_):
        return [["who", "9.7.0", "restorer@%"], *([each] for each in self.rights)]

    def each(self, target, statements, _stop, _doing):
        assert (target.database, statements[0]) == ("", "set session sql_mode = ''")
        self.said += statements[1:]
        return [next((f"no {word}" for word in self.refuses if word in each), None) for each in statements]


@pytest.fixture
def server(monkeypatch):
    made = Server()
    monkeypatch.setattr(accounts, "look", made.look)
    monkeypatch.setattr(session, "run", made.run)
    monkeypatch.setattr(session, "each", made.each)
    monkeypatch.setattr(target_needs, "require_definers", lambda *_: [])
    return made


class Given:
    """A restore, and what came of it."""

    def __init__(self, mode=GlobalsMode.REQUIRE, found=FOUND, live="orders", engine=Engine.MYSQL, name="orders"):
        self.warnings, self.following = [], []
        target = replace(TARGET, flavour=FLAVOURS[engine], database=name)
        self.giving = Giving(target, live, mode, found, self.following, self.warnings, Stop())

    def run(self, manifest=None):
        self.giving.require(manifest or SimpleNamespace(needs=None))
        with self.giving.made():
            return self.giving.finish()


def held(server):
    """Have the server hold what the backup says, as after a restore."""
    server.grants, server.objects = [APP, BOB], [TABLE]


def test_accounts_come_first_then_rights_on_the_database_and_once_it_is_restored_those_on_tables(server):
    restore = Given(GlobalsMode.IF_MISSING)
    assert restore.run() == []
    assert [each.split(" IDENTIFIED")[0] for each in server.said] == [
        "CREATE USER `app`@`%`",
        "GRANT SELECT ON `orders`.* TO `app`@`%`",
        "GRANT INSERT ON `orders`.* TO `bob`@`%`",
        "GRANT UPDATE ON TABLE `orders`.`t` TO `app`@`%`",
    ]
    assert len(restore.warnings) == 1
    assert "made locked, and no password fits them: app@%; ALTER USER" in restore.warnings[0]


def test_what_is_held_already_is_not_given_again(server):
    server.accounts = {"bob@%", "app@%"}
    held(server)
    assert Given().run() == ["grants"]
    assert server.said == []


def test_who_has_rights_by_a_pattern_keeps_them_since_the_server_goes_by_the_most_exact_alone(server):
    server.grants = [GlobalGrant(to="bob@%", privileges=["DELETE"])]
    Given(GlobalsMode.IF_MISSING).run()
    assert "GRANT DELETE, INSERT ON `orders`.* TO `bob`@`%`" in server.said
    server.said, server.exact = [], {"bob@%"}
    Given(GlobalsMode.IF_MISSING).run()
    assert "GRANT INSERT ON `orders`.* TO `bob`@`%`" in server.said


def test_beside_the_target_it_is_all_taken_back_and_given_in_the_switch(server):
    restore = Given(GlobalsMode.IF_MISSING, name="orders_new")
    restore.run()
    assert server.said[-3:] == [
        "REVOKE UPDATE ON TABLE `orders_new`.`t` FROM `app`@`%`",
        r"REVOKE SELECT ON `orders\_new`.* FROM `app`@`%`",
        r"REVOKE INSERT ON `orders\_new`.* FROM `bob`@`%`",
    ]
    assert [each.create for each in restore.following] == [
        "GRANT SELECT ON `orders`.* TO `app`@`%`",
        "GRANT INSERT ON `orders`.* TO `bob`@`%`",
        "GRANT UPDATE ON TABLE `orders`.`t` TO `app`@`%`",
    ]
    assert [each.dropped() for each in restore.following] == [
        "REVOKE SELECT ON `orders`.* FROM `app`@`%`",
        "REVOKE INSERT ON `orders`.* FROM `bob`@`%`",
        "REVOKE UPDATE ON TABLE `orders`.`t` FROM `app`@`%`",
    ]


def test_what_the_live_name_has_by_then_is_not_given_in_the_switch(server, monkeypatch):
    fresh, live = Server(), Server()
    held(live)
    live.grants = [GlobalGrant(to="bob@%", privileges=["DELETE"])]
    monkeypatch.setattr(accounts, "look", lambda t, s: (live if t.database == "orders" else fresh).look(t, s))
    restore = Given(GlobalsMode.IF_MISSING, name="orders_new")
    restore.run()
    assert [each.create for each in restore.following] == [
        "GRANT SELECT ON `orders`.* TO `app`@`%`", "GRANT DELETE, INSERT ON `orders`.* TO `bob`@`%`",
    ]  # fmt: skip
    assert server.said != []


LESS = [
    r"GRANT SELECT, UPDATE ON `orders`.* TO `r`@`%` WITH GRANT OPTION",
    r"GRANT ALL PRIVILEGES ON `orders\_%`.* TO `r`@`%` WITH GRANT OPTION",
]


def test_what_the_user_may_not_give_under_the_live_name_does_not_stop_the_switch(server):
    server.rights = LESS
    restore = Given(GlobalsMode.IF_MISSING, name="orders_new")
    restore.run()
    assert [each.create for each in restore.following] == [
        "GRANT SELECT ON `orders`.* TO `app`@`%`", "GRANT UPDATE ON TABLE `orders`.`t` TO `app`@`%`",
    ]  # fmt: skip
    assert restore.warnings[-1] == (
        "the user has no right on the live database to run: GRANT INSERT ON `orders`.* TO `bob`@`%`"
    )


def test_what_the_user_may_not_give_under_the_live_name_fails_require(server, monkeypatch):
    fresh, live = Server(), Server()
    fresh.accounts, live.accounts = {"app@%", "bob@%"}, {"app@%", "bob@%"}
    held(fresh)
    monkeypatch.setattr(accounts, "look", lambda t, s: (live if t.database == "orders" else fresh).look(t, s))
    server.rights = LESS
    with pytest.raises(HoldfastError, match=r"GRANT INSERT ON `orders`\.\* TO `bob`@`%`") as caught:
        Given(name="orders_new").run()
    assert caught.value.reason is Reason.RESTORE_FAILED


def test_accounts_that_cannot_be_read_any_more_end_the_restore(server, monkeypatch):
    restore = Given()
    server.accounts |= {"app@%"}
    held(server)
    restore.giving.require(SimpleNamespace(needs=None))
    monkeypatch.setattr(accounts, "look", lambda *_: (_ for _ in ()).throw(ValueError("ERROR 2013")))
    with pytest.raises(HoldfastError, match="cannot be read any more: ERROR 2013") as caught:
        restore.giving.finish()
    assert caught.value.reason is Reason.RESTORE_FAILED


def test_after_an_error_what_was_given_beside_the_target_is_taken_back_as_well(server):
    giving = Given(name="orders_new").giving
    giving.require(SimpleNamespace(needs=None))

    def fails():
        with giving.made():
            raise HoldfastError(Reason.RESTORE_FAILED, "the dump", "is broken")

    with pytest.raises(HoldfastError, match="the dump"):
        fails()
    assert [each for each in server.said if each.startswith("REVOKE")] != []


def test_mariadb_takes_back_the_roles_that_the_user_made(server):
    found = FOUND.model_copy(update={
        "roles": [GlobalRole(name="reader@")], "grants": [], "objects": [],
        "memberships": [GlobalMembership(role="reader@", member="bob@%")],
    })  # fmt: skip
    Given(found=found, engine=Engine.MARIADB).run()
    assert server.said == [
        "CREATE ROLE `reader`", "GRANT `reader` TO `bob`@`%`", "REVOKE `reader` FROM `restorer`@`%`",
    ]  # fmt: skip


def test_require_that_cannot_give_all_of_it_removes_what_it_made_before_the_dump_is_fed(server):
    server.refuses = ("GRANT INSERT",)
    with pytest.raises(HoldfastError, match="rights of bob@% on the database: no GRANT INSERT") as caught:
        Given().run()
    assert caught.value.reason is Reason.TARGET_NOT_READY
    assert "what was made for it is removed again" in caught.value.message
    assert server.said[3:] == ["REVOKE INSERT ON `orders`.* FROM `bob`@`%`", "DROP USER `app`@`%`"]


def test_if_missing_goes_on_with_what_was_made(server):
    server.refuses = ("CREATE USER",)
    restore = Given(GlobalsMode.IF_MISSING)
    restore.run()
    assert server.said[1:] == ["GRANT INSERT ON `orders`.* TO `bob`@`%`"], "nothing for who is not there"
    assert "the accounts app@%: no CREATE USER" in restore.warnings[0]


def test_a_definer_that_was_made_and_may_not_be_set_ends_it_before_the_dump_is_fed(server, monkeypatch):
    def refused(_target, names, _stop):
        assert names == ["app@%"]
        raise HoldfastError(Reason.TARGET_NOT_READY, "no right to set this definer", "GRANT")

    monkeypatch.setattr(target_needs, "require_definers", refused)
    view = GlobalObject(kind="view", names=["v"], owner="app@%")
    with pytest.raises(HoldfastError, match="no right to set this definer"):
        Given(GlobalsMode.IF_MISSING, FOUND.model_copy(update={"objects": [view]})).run()
    assert server.said[-1] == "DROP USER `app`@`%`"


@pytest.mark.parametrize("mode", [GlobalsMode.REQUIRE, GlobalsMode.IF_MISSING])
def test_who_may_not_give_rights_on_the_live_name_is_told_before_anything_is_made(server, mode):
    server.rights = [r"GRANT ALL PRIVILEGES ON `orders\_%`.* TO `r`@`%` WITH GRANT OPTION"]
    restore = Given(mode, name="orders_new")
    if mode is GlobalsMode.REQUIRE:
        with pytest.raises(
            HoldfastError, match="the user may not give others rights on 'orders'; nothing was changed"
        ) as e:
            restore.run()
        assert "GRANT ALL ON `orders`.* TO the_user@`%` WITH GRANT OPTION" in e.value.remedy
    else:
        restore.run()
        assert restore.warnings == ["accounts and grants are left out: the user may not give others rights on 'orders'"]
    assert server.said == []


@pytest.mark.parametrize("mode", [GlobalsMode.REQUIRE, GlobalsMode.IF_MISSING])
def test_a_target_whose_accounts_cannot_be_read_gets_none(server, monkeypatch, mode):
    def look(*_):
        raise accounts.UnreadableError("the user has no right to read mysql.db: GRANT SELECT ON mysql.db TO x;")

    monkeypatch.setattr(accounts, "look", look)
    restore = Given(mode)
    if mode is GlobalsMode.REQUIRE:
        with pytest.raises(HoldfastError, match=r"GRANT SELECT ON mysql\.db TO x") as caught:
            restore.run()
        assert caught.value.reason is Reason.TARGET_NOT_READY
    else:
        assert restore.run() == []
        assert "GRANT SELECT ON mysql.db TO x" in restore.warnings[0]
    assert server.said == []


def test_what_is_missing_is_told_by_either_mode(server):
    found = FOUND.model_copy(update={"roles": [GlobalRole(name="app@%", superuser=True)]})
    with pytest.raises(HoldfastError, match=r"app@% does not exist, and was one with SUPER.*nothing was changed") as e:
        Given(found=found).run()
    assert "as an administrator, as far as it is needed: CREATE USER `app`@`%`" in e.value.remedy
    restore = Given(GlobalsMode.IF_MISSING, found)
    restore.run()
    assert "of accounts and roles is left out: the account app@% does not exist" in restore.warnings[0]
    assert server.said == ["GRANT INSERT ON `orders`.* TO `bob`@`%`"]


def test_rights_on_what_is_not_there_are_left_out_since_a_server_would_take_some(server):
    server.there = set()
    restore = Given(GlobalsMode.IF_MISSING)
    restore.run()
    assert [each for each in server.said if "TABLE" in each] == []
    server.accounts |= {"app@%"}
    server.grants = [APP, BOB]
    assert Given().run() == ["grants"]


def test_a_right_that_is_refused_is_not_given_in_the_switch(server):
    server.refuses = ("ON TABLE",)
    restore = Given(GlobalsMode.IF_MISSING, name="orders_new")
    restore.run()
    assert [each.create for each in restore.following if "TABLE" in each.create] == []
    assert "rights of app@% on table t: no ON TABLE" in restore.warnings[-1]


def test_what_differs_from_the_backup_after_all_is_named(server):
    view = GlobalObject(kind="view", names=["v"], owner="boss@%")
    server.there |= {("view", "v")}
    with pytest.raises(HoldfastError, match="app@% lacks rights on the database") as caught:
        Given(found=FOUND.model_copy(update={"objects": [TABLE, view]})).run()
    assert caught.value.reason is Reason.RESTORE_DIFFERS
    assert caught.value.differences == (
        "app@% lacks rights on the database",
        "bob@% lacks rights on the database",
        "app@% lacks rights on table t",
        "the definer of view v is None instead of boss@%",
    )


def test_definers_that_are_made_are_not_asked_for_as_what_is_needed(server):
    needs = [ManifestNeed.of_server(NeedKind.ACCOUNT, name) for name in ("app@%", "other@%")]
    needs.append(ManifestNeed.of_server(NeedKind.COLLATION, "app@%"))
    manifest = SimpleNamespace(needs=needs, model_copy=lambda update: SimpleNamespace(**update))
    left = Given().giving.require(manifest).needs
    assert [(need.kind, need.name) for need in left] == [("Account", "other@%"), ("Collation", "app@%")]


def test_nothing_is_begun_for_a_companion_that_is_not_as_we_write_it(server):
    hostile = FOUND.model_copy(update={"grants": [GlobalGrant(to="app@%", privileges=["SUPER"])]})
    with pytest.raises(HoldfastError, match="the privilege 'SUPER' on a database"):
        Given(GlobalsMode.IF_MISSING, hostile).run()
    assert (server.said, server.databases) == ([], [])


def test_what_cannot_be_taken_back_is_told(server):
    server.refuses = ("REVOKE INSERT",)
    restore = Given(GlobalsMode.IF_MISSING, name="orders_new")
    restore.run()
    assert restore.warnings[-1] == "what was given for the restore alone could not be taken back: no REVOKE INSERT"
