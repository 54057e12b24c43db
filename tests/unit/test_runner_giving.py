"""Which roles, owners and rights of a backup a restore gives, in which statements; what it never gives, it names."""

from contextlib import nullcontext
from itertools import chain
from types import SimpleNamespace

import pytest
from tests.builders import a_policy

from holdfast.api.restoring import Content, GlobalsMode, RestoreMode
from holdfast.contract.globals import (
    VERSION,
    GlobalDefaults,
    GlobalGrant,
    GlobalMembership,
    GlobalObject,
    GlobalRole,
    Globals,
    GlobalSetting,
)
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import landing
from holdfast.runner.engines.mysql.source import MySQL
from holdfast.runner.engines.postgres import giving as gives
from holdfast.runner.engines.postgres import owned, owners, right_statements, role_plan, served, server
from holdfast.runner.engines.postgres.giving import Giving, Wanted
from holdfast.runner.engines.postgres.owned import Found
from holdfast.runner.engines.postgres.role_plan import There
from holdfast.runner.pod.result import UncleanError
from holdfast.runner.pod.stop import Stop


def some_globals(**changes):
    fields = {"version": VERSION, "engine": "postgresql", "database": "orders", "owner": "shop"}
    return Globals(**(fields | changes))


def there(*roles, **changes):
    fields = {"major": 17, "user": "restorer", "superuser": True, "roles": frozenset(roles),
              "memberships": frozenset(), "settings": frozenset({"work_mem", "search_path"})}  # fmt: skip
    return There(**(fields | changes))


def planned(found, *roles, **changes):
    return role_plan.plan(found, there(*roles, **changes))


def statements(plan):
    return list(chain.from_iterable(step.run for step in plan.steps))


def test_a_role_that_is_missing_is_made_without_login_and_password_and_those_that_could_log_in_are_told():
    role = GlobalRole(name='re"ader', login=True, inherit=False, connection_limit=5)
    plan = planned(some_globals(roles=[role]), "shop")
    assert statements(plan) == ['CREATE ROLE "re""ader" NOLOGIN NOINHERIT CONNECTION LIMIT 5']
    assert (plan.cannot_log_in, plan.left_out) == (['re"ader'], [])


def test_a_role_that_is_there_gets_nothing_at_all():
    role = GlobalRole(name="reader", settings=[GlobalSetting(name="work_mem", value="8MB")], superuser=True)
    plan = planned(some_globals(roles=[role]), "shop", "reader")
    assert (plan.steps, plan.left_out) == ([], [])


@pytest.mark.parametrize(
    ("attribute", "word"),
    [
        ("superuser", "SUPERUSER"), ("create_role", "CREATEROLE"), ("create_db", "CREATEDB"),
        ("replication", "REPLICATION"), ("bypass_rls", "BYPASSRLS"),
    ],
)  # fmt: skip
def test_a_role_that_reached_further_than_its_database_is_never_made(attribute, word):
    plan = planned(some_globals(roles=[GlobalRole(name="chief", **{attribute: True})]), "shop")
    assert plan.steps == []
    assert plan.left_out == [f"the role chief does not exist, and was one with {word}, which a restore never gives"]
    assert plan.remedies == ['CREATE ROLE "chief"']


def test_a_role_that_is_named_and_not_described_is_missing():
    plan = planned(some_globals(owner="nobody"))
    assert plan.left_out == ["the role nobody does not exist"]


def test_a_role_of_the_servers_own_kind_that_it_does_not_have_is_never_made_and_told():
    plan = planned(some_globals(roles=[GlobalRole(name="pg_newer")]), "shop")
    assert plan.steps == []
    assert plan.left_out == [
        "the role pg_newer does not exist, and only the server itself makes one whose name begins with pg_"
    ]


@pytest.mark.parametrize(
    ("setting", "given"),
    [
        ("Work_Mem", True),
        ("app.tenant", True),
        ("log_statement", False),
        ("session_preload_libraries", False),
        ("plperl.on_plperlu_init", False),
        ("pltcl.start_proc", False),
        ("PLTclU.start_proc", False),
    ],
)
def test_a_setting_that_not_every_user_may_set_is_left_out(setting, given):
    role = GlobalRole(name="reader", settings=[GlobalSetting(name=setting, value="x'y")])
    plan = planned(some_globals(roles=[role]), "shop")
    assert (f"ALTER ROLE \"reader\" SET {setting} TO 'x''y'" in statements(plan)) is given
    assert bool(plan.left_out) is not given


def members(role, member, **changes):
    return GlobalMembership(role=role, member=member, **changes)


NEW = [GlobalRole(name="group"), GlobalRole(name="one")]


def test_a_membership_in_a_role_that_is_made_is_given():
    plan = planned(some_globals(roles=NEW, memberships=[members("group", "one", admin=True)]), "shop", major=15)
    assert statements(plan)[-1] == 'GRANT "group" TO "one" WITH ADMIN OPTION'


def test_since_version_16_it_says_what_it_is_good_for():
    found = some_globals(roles=NEW, memberships=[members("group", "one", inherit=False, set_role=True)])
    assert statements(planned(found, "shop"))[-1] == 'GRANT "group" TO "one" WITH ADMIN FALSE, INHERIT FALSE, SET TRUE'


@pytest.mark.parametrize("role", ["group", "pg_read_server_files"])
def test_nobody_becomes_a_member_of_a_role_that_was_there_before(role):
    found = some_globals(roles=[GlobalRole(name="one")], memberships=[members(role, "one")])
    plan = planned(found, "shop", role)
    assert statements(plan) == ['CREATE ROLE "one" NOLOGIN INHERIT']
    assert plan.left_out == [f"one is not made a member of {role}: that role was there before"]
    assert plan.remedies == ['CREATE ROLE "one"', f'GRANT "{role}" TO "one"']


def test_a_membership_that_is_there_is_left_as_it_is():
    found = some_globals(roles=NEW, memberships=[members("group", "one")])
    plan = planned(found, "shop", "group", "one", memberships=frozenset({("group", "one")}))
    assert (plan.steps, plan.left_out) == ([], [])


def test_who_is_no_superuser_is_a_member_of_the_owners_that_it_makes_while_it_restores():
    found = some_globals(owner="group", roles=NEW)
    plan = planned(found, superuser=False)
    assert statements(plan)[-1] == 'GRANT "group" TO "restorer" WITH INHERIT TRUE, SET TRUE'
    assert list(role_plan.given_back(plan.lent, there())) == ['REVOKE "group" FROM "restorer" GRANTED BY "restorer"']
    assert list(role_plan.given_back(plan.lent, there(major=15))) == ['REVOKE "group" FROM "restorer"']


MALFORMED = {
    "a role that is everybody": {"roles": [GlobalRole(name="public")]},
    "a role that is nobody": {"owner": "none"},
    "a name that the server would cut": {"owner": "ä" * 32},
    "no name": {"owner": ""},
    "a name with a NUL": {"memberships": [members("a\0", "b")]},
    "a member with a NUL": {"memberships": [members("a", "pg_\0")]},
    "half a character": {"roles": [GlobalRole(name="\ud800")]},
    "a privilege that is a statement": {"grants": [GlobalGrant(privileges=["SELECT ON x TO y; --"])]},
    "a right to pass on that is none": {"grants": [GlobalGrant(grantable=["ALL"])]},
    "a setting that is a statement": {"settings": [GlobalSetting(name="x TO y; --", value="1")]},
    "a value that is too long": {"settings": [GlobalSetting(name="x", value="1" * 8193)]},
    "default privileges on what there is none": {"defaults": [GlobalDefaults(role="a", kind="x; --", grants=[])]},
    "a column without a table": {"objects": [GlobalObject(kind="table column", names=["a"])]},
    "a column with a NUL": {"objects": [GlobalObject(kind="table column", names=["s", "t", "a\0"])]},
}  # fmt: skip


@pytest.mark.parametrize("changes", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_never_written_is_refused_as_a_whole(changes):
    with pytest.raises(HoldfastError) as caught:
        role_plan.checked(some_globals(**changes))
    assert caught.value.reason is Reason.MANIFEST_CONFLICT
    assert caught.value.message.isprintable()


def a_found(kind, *names, identity='"s"."t"'):
    return Found(GlobalObject(kind=kind, names=list(names)), "shop", "s", identity)


def test_rights_are_given_anew_as_a_whole_to_those_who_exist():
    grants = [
        GlobalGrant(to_owner=True, privileges=["SELECT"]), GlobalGrant(privileges=["SELECT"]),
        GlobalGrant(to="a", privileges=["INSERT", "SELECT"], grantable=["UPDATE"]),
        GlobalGrant(to="gone", privileges=["SELECT"]),
    ]  # fmt: skip
    on = right_statements.on_object(a_found("view", "s", "t"))
    assert list(on.rights(grants, "shop", frozenset({"a"}))) == [
        'REVOKE ALL ON TABLE "s"."t" FROM PUBLIC',
        'REVOKE ALL ON TABLE "s"."t" FROM "shop"',
        'GRANT SELECT ON TABLE "s"."t" TO "shop"',
        'GRANT SELECT ON TABLE "s"."t" TO PUBLIC',
        'GRANT INSERT, SELECT ON TABLE "s"."t" TO "a"',
        'GRANT UPDATE ON TABLE "s"."t" TO "a" WITH GRANT OPTION',
    ]


def test_rights_on_a_column_name_it_quoted_and_its_table_as_the_server_does():
    on = right_statements.on_object(a_found("table", "s", "t"), 'a"b')
    grants = [GlobalGrant(to="a", privileges=["SELECT", "UPDATE"])]
    assert list(on.rights(grants, "shop", frozenset({"a"}))) == [
        'GRANT SELECT ("a""b"), UPDATE ("a""b") ON TABLE "s"."t" TO "a"'
    ]


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("materialized view", 'ALTER MATERIALIZED VIEW "s"."t" OWNER TO "a"'),
        ("aggregate", 'ALTER ROUTINE "s"."t" OWNER TO "a"'),
        ("statistics object", 'ALTER STATISTICS "s"."t" OWNER TO "a"'),
        ("table column", None), ("a kind of a later version", None),
    ],
)  # fmt: skip
def test_an_owner_is_given_by_the_word_of_its_kind(kind, statement):
    assert right_statements.owning(a_found(kind, "s", "t"), "a") == statement


def test_default_privileges_are_taken_and_given_in_all_schemas_and_only_added_in_one():
    reader = [GlobalGrant(to="reader", privileges=["SELECT"])]
    everywhere = GlobalDefaults(role="shop", kind="functions", grants=[])
    in_one = GlobalDefaults(role="shop", of_schema="s", kind="tables", grants=reader)
    exists = frozenset({"reader"})
    assert list(right_statements.default_rights(everywhere, exists)) == [
        'ALTER DEFAULT PRIVILEGES FOR ROLE "shop" REVOKE ALL ON FUNCTIONS FROM PUBLIC'
    ]
    assert list(right_statements.default_rights(in_one, exists)) == [
        'ALTER DEFAULT PRIVILEGES FOR ROLE "shop" IN SCHEMA "s" GRANT SELECT ON TABLES TO "reader"'
    ]


OWNERS_USUAL = [[None, True, "EXECUTE", False]]


@pytest.mark.parametrize(
    ("acl", "special", "said"),
    [
        (None, False, None),
        ([[None, True, "EXECUTE", False], [None, False, "EXECUTE", False]], False, None),
        ([[None, True, "EXECUTE", False], [None, False, "EXECUTE", False]], True,
         [GlobalGrant(privileges=["EXECUTE"])]),
        ([[None, True, "EXECUTE", False]], False, []),
        ([["a", False, "EXECUTE", True], ["a", False, "EXECUTE", False]], False,
         [GlobalGrant(to_owner=True), GlobalGrant(to="a", grantable=["EXECUTE"])]),
    ],
    ids=["none", "the usual ones, written down", "of an extension", "taken from everybody", "by two who gave it"],
)  # fmt: skip
def test_rights_are_read_by_who_has_them_and_what_is_usual_is_not_said(acl, special, said):
    usual = [*OWNERS_USUAL, [None, False, "EXECUTE", False]]
    assert owned.rights(acl, usual, special=special) == said


def a_task(**changes):
    fields = {"database": a_policy().database, "s3": {"bucket": "backups"}, "key_prefix": "x/", "deadline_seconds": 60}
    return RestoreTask(**(fields | changes))


@pytest.mark.parametrize("asked", [{"globals": GlobalsMode.IF_MISSING}, {"owner": "shop"}], ids=["globals", "owner"])
def test_an_engine_without_roles_refuses_by_name_to_give_them(asked):
    with pytest.raises(HoldfastError, match=f"does not support {next(iter(asked))}") as caught:
        landing.require_plain(a_task(**asked))
    assert caught.value.reason is Reason.INVALID_TASK


@pytest.mark.parametrize("asked", [{"globals": GlobalsMode.REQUIRE}, {"owner": "shop"}], ids=["globals", "owner"])
@pytest.mark.parametrize("partly", [{"mode": RestoreMode.INTO}, {"content": Content.DATA}, {"tables": ["public.a"]}])
def test_a_part_of_a_backup_takes_no_owners_and_grants(asked, partly):
    manifest = type("Manifest", (), {"artifact": type("Artifact", (), {"format": "custom"}), "tables": None})
    with pytest.raises(HoldfastError, match="of a whole restore"):
        served.require(a_task(**asked, **partly), manifest)


def test_mysql_and_mariadb_give_accounts_and_grants_of_a_whole_restore_and_nothing_an_owner():
    database = MySQL.__new__(MySQL)  # it asks nothing of its database for that
    database.require_served(a_task(globals=GlobalsMode.REQUIRE), None)
    with pytest.raises(HoldfastError, match="does not support owner shop"):
        database.require_served(a_task(owner="shop"), None)
    with pytest.raises(HoldfastError, match="of a whole restore"):
        database.require_served(a_task(globals=GlobalsMode.REQUIRE, mode=RestoreMode.INTO), None)


class Answers:
    """A connection that answers each question with the same rows."""

    def __init__(self, rows):
        self.rows, self.asked = rows, 0

    def execute(self, _query, _values=None):
        self.asked += 1
        return self

    def fetchall(self):
        return self.rows


def test_of_more_objects_than_memory_holds_none_is_asked_for():
    connection = Answers([(50_001,)])
    with pytest.raises(owned.TooManyError, match="50001 objects, and no more than 50000"):
        owned.objects(connection, most=50_000)
    assert connection.asked == 1


def test_a_server_that_does_not_say_who_owns_what_costs_a_warning_and_no_backup(monkeypatch):
    def refused(*_):
        raise HoldfastError(Reason.CONNECTION_TIMEOUT, "it did not answer", "ask again")

    monkeypatch.setattr(server, "connect", refused)
    assert server._globals(None, Stop()) == (None, ["roles, owners and grants are not backed up: it did not answer"])


def test_a_backup_that_is_told_to_end_while_it_asks_who_owns_what_ends(monkeypatch):
    stop, asked = Stop(), HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one")

    def refused(*_):
        stop.request(asked)
        raise HoldfastError(Reason.CONNECTION_TIMEOUT, "it did not answer", "ask again")

    monkeypatch.setattr(server, "connect", refused)
    with pytest.raises(HoldfastError) as caught:
        server._globals(None, stop)
    assert caught.value is asked


class Open:
    """A connection that lets everything be done."""

    closed = False

    def transaction(self):
        return nullcontext()

    def execute(self, _statement, _values=None):
        return []


def test_a_right_that_was_only_lent_and_cannot_be_taken_back_is_told(monkeypatch):
    table = GlobalObject(kind="table", names=["sales", "orders"], owner="shop")
    found = Found(object=table, owner="restorer", schema="sales", identity="sales.orders")
    monkeypatch.setattr(owned, "objects", lambda *_, **__: {owned.address(table): found})
    ran = []

    def done(_connection, run, _role=None):
        ran.extend(run)
        return "ERROR: no longer yours" if run[0].startswith("REVOKE") else None

    monkeypatch.setattr(owners, "done", done)
    roles = there("shop", "restorer", superuser=False)
    giving = owners.Owners(Open(), some_globals(objects=[table]), None, roles, Stop())
    assert giving.objects() == ['shop may still create in schema "sales": ERROR: no longer yours']
    assert ran == [
        'GRANT CREATE ON SCHEMA "sales" TO "shop"', 'ALTER TABLE sales.orders OWNER TO "shop"',
        'REVOKE CREATE ON SCHEMA "sales" FROM "shop"',
    ]  # fmt: skip


LEFT = "this user is still a member of reader: ERROR: no connection"


def giving_of(monkeypatch, left):
    giving = Giving(None, Wanted(), None, None, None, [])
    monkeypatch.setattr(giving, "_make", lambda: ["reader"])
    monkeypatch.setattr(giving, "_give_back", lambda lent: [left] if lent == ["reader"] and left else [])
    return giving


@pytest.mark.parametrize("left", [LEFT, None], ids=["something stays", "all is taken back"])
def test_what_could_not_be_taken_back_is_told_whether_the_restore_failed_or_not(monkeypatch, left):
    giving = giving_of(monkeypatch, left)
    with giving.made():
        pass
    assert giving._warnings == ([left] if left else [])

    giving, error = giving_of(monkeypatch, left), HoldfastError(Reason.RESTORE_FAILED, "no", "mend it")
    with pytest.raises(UncleanError if left else HoldfastError) as caught, giving.made():
        raise error
    if left:
        assert (caught.value.error, caught.value.leftover, caught.value.clean) == (error, left, True)
    else:
        assert caught.value is error


@pytest.mark.parametrize(
    ("roles", "fails"),
    [pytest.param(["heir"], False, id="is still there"), pytest.param([], True, id="was dropped since")],
)
def test_who_is_to_own_everything_has_to_be_there_to_the_end(monkeypatch, roles, fails):
    nothing = SimpleNamespace(objects=list, rights=list, database=lambda *_: [])
    monkeypatch.setattr(gives, "_there", lambda _connection: there(*roles))
    monkeypatch.setattr(gives, "Owners", lambda *_: nothing)
    monkeypatch.setattr(Giving, "_connected", lambda *_: nullcontext())
    target = SimpleNamespace(database="orders")
    given = Giving(target, Wanted(owner="heir"), SimpleNamespace(stop=Stop()), None, None, [])
    if not fails:
        assert given.finish() == []
        return
    with pytest.raises(HoldfastError, match="the role heir, which should own everything, is gone") as caught:
        given.finish()
    assert caught.value.reason is Reason.RESTORE_FAILED


def test_who_is_to_own_a_schema_is_lent_no_right_in_it_that_would_be_taken_back(monkeypatch):
    schema = GlobalObject(kind="schema", names=["sales"], owner="shop")
    found = Found(object=schema, owner="restorer", schema="sales", identity="sales")
    monkeypatch.setattr(owned, "objects", lambda *_, **__: {owned.address(schema): found})
    ran = []
    monkeypatch.setattr(owners, "done", lambda _connection, run, _role=None: ran.extend(run))
    roles = there("shop", "restorer", superuser=False)
    owners.Owners(Open(), some_globals(objects=[schema]), None, roles, Stop()).objects()
    assert ran == ['ALTER SCHEMA sales OWNER TO "shop"']
