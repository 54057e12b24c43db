"""Which accounts and rights of MySQL and MariaDB a backup writes down, and which of them a restore gives, and how."""

import pytest
from tests.unit.test_runner_mysql_replace import TARGET, definitions

from holdfast.api.database import Engine
from holdfast.contract.globals import VERSION, GlobalGrant, GlobalMembership, GlobalObject, GlobalRole, Globals
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import (
    account_plan,
    account_rows,
    accounts,
    grants,
    right_statements,
    routine_rights,
    server,
)
from holdfast.runner.engines.mysql.account_plan import There
from holdfast.runner.engines.mysql.account_rows import Reading
from holdfast.runner.engines.mysql.routine_rights import Carried
from holdfast.runner.engines.mysql.schemas import Schema
from holdfast.runner.pod.stop import Stop

MYSQL, MARIADB = Engine.MYSQL, Engine.MARIADB


# what is read


def on(kind, user, host, name, privileges):
    return ["on", kind, user, host, name, privileges]


def an_account(user, host, login="Y", everywhere=""):
    return ["account", user, host, login, everywhere]


def read(*rows, engine=MYSQL, database="shop"):
    return Reading(rows, engine, database).found()


APP = an_account("app", "%")


def test_rights_on_the_database_are_written_down_by_account():
    found = read(APP, on("database", "app", "%", "shop", "SELECT,CREATE TEMPORARY TABLES")).globals
    assert found.grants == [GlobalGrant(to="app@%", privileges=["CREATE TEMPORARY TABLES", "SELECT"])]
    assert [role.name for role in found.roles] == ["app@%"]


def test_who_may_pass_rights_on_may_do_so_with_all_of_them():
    found = read(APP, on("database", "app", "%", "shop", "SELECT,GRANT OPTION")).globals
    assert found.grants == [GlobalGrant(to="app@%", grantable=["SELECT"])]
    only = read(APP, on("table", "app", "%", "orders", "Grant"), ["is", "table", "orders", ""]).globals
    assert only.objects[0].grants == [GlobalGrant(to="app@%", grantable=["USAGE"])]


@pytest.mark.parametrize(
    ("patterns", "privilege"),
    [
        ({"shop": "SELECT", "%": "INSERT"}, "SELECT"),
        ({"sho_": "SELECT", "s%": "INSERT"}, "SELECT"),
        ({"s%": "SELECT", "%": "INSERT"}, "SELECT"),
        ({r"sh\_p%": "INSERT", "sh%": "SELECT"}, "INSERT"),
    ],
)
def test_of_several_patterns_the_most_exact_one_counts_as_on_the_server(patterns, privilege):
    rows = [on("database", "app", "%", pattern, said) for pattern, said in patterns.items()]
    found = read(APP, *rows)
    assert [grant.privileges for grant in found.globals.grants] == [[privilege]]
    assert found.exact == ({"app@%"} if "shop" in patterns else set())


def test_where_the_server_has_no_patterns_only_the_very_name_counts():
    rows = [on("database", "app", "%", "sho_", "SELECT"), ["literal", "1"]]
    assert read(APP, *rows).globals.grants == []
    assert read(APP, *rows[:1]).globals.grants != []


def test_tables_columns_and_routines_have_rights_of_their_own_where_they_are_there():
    found = read(
        APP,
        on("table", "app", "%", "orders", "Select,Create View"),
        on("table", "app", "%", "gone", "Select"),
        on("table", "app", "%", "v", "Delete versioning rows"),
        on("column", "app", "%", "orders\0id", "Select"),
        on("column", "app", "%", "gone\0id", "Select"),
        on("package body", "app", "%", "p", "Execute"),
        on("procedure", "app", "%", "gone", "Execute"),
        ["is", "table", "orders", ""], ["is", "view", "v", ""], ["is", "view", "v", "boss@%"],
        ["is", "package body", "p", "boss@%"], ["is", "trigger", "t", "boss@%"],
    )  # fmt: skip
    said = {(each.kind, *each.names): (each.owner, each.grants and each.grants[0].privileges) for each in
            found.globals.objects}  # fmt: skip
    assert said == {
        ("table", "orders"): (None, ["CREATE VIEW", "SELECT"]),
        ("view", "v"): ("boss@%", ["DELETE HISTORY"]),
        ("column", "orders", "id"): (None, ["SELECT"]),
        ("package body", "p"): ("boss@%", ["EXECUTE"]),
        ("trigger", "t"): ("boss@%", None),
    }


def test_who_is_gone_has_no_rights_and_a_definer_who_is_gone_is_no_account():
    found = read(
        APP, on("database", "left", "%", "shop", "SELECT"), ["is", "view", "v", "left@%"]
    ).globals  # fmt: skip
    assert (found.grants, found.roles) == ([], [])
    assert found.objects == [GlobalObject(kind="view", names=["v"], owner="left@%")]


def test_who_has_a_role_that_has_rights_is_written_down_and_who_may_do_everything_is_not():
    found = read(
        an_account("reader", "%"), an_account("middle", "%"), an_account("alice", "localhost"),
        an_account("root", "%", everywhere="SUPER"), an_account("other", "%"), an_account("bob", "%"),
        on("database", "reader", "%", "shop", "SELECT"),
        ["member", "reader", "%", "middle", "%", "N", "N"], ["member", "middle", "%", "alice", "localhost", "Y", "Y"],
        ["member", "reader", "%", "root", "%", "Y", "N"], ["member", "other", "%", "bob", "%", "N", "N"],
    ).globals  # fmt: skip
    assert {role.name: role.login for role in found.roles} == {
        "reader@%": False, "middle@%": False, "alice@localhost": True,
    }  # fmt: skip
    assert found.memberships == [
        GlobalMembership(role="middle@%", member="alice@localhost", admin=True, default=True),
        GlobalMembership(role="reader@%", member="middle@%"),
    ]


def test_rights_on_the_whole_server_are_named():
    (role,) = read(
        an_account("app", "%", "N", "SUPER,FILE"), on("database", "app", "%", "shop", "SELECT")
    ).globals.roles
    assert (role.superuser, role.server_privileges, role.login) == (True, ["FILE", "SUPER"], False)


def test_everybody_of_mariadb_is_nobody_by_name_and_a_role_has_no_host():
    found = read(
        an_account("reader", ""), on("database", "PUBLIC", "", "shop", "SELECT"),
        on("database", "reader", "", "shop", "INSERT"), engine=MARIADB,
    ).globals  # fmt: skip
    assert [grant.to for grant in found.grants] == [None, "reader@"]
    assert [(role.name, role.login) for role in found.roles] == [("reader@", False)]


@pytest.mark.parametrize("name", ["", "a\nb", "a ", "\U0001f600", "a" * 33])
def test_a_name_that_could_mean_another_account_is_left_out_with_a_warning(name):
    found = read(APP, an_account(name, "%"), on("database", name, "%", "shop", "SELECT"))
    assert found.globals.grants == []
    assert len(found.warnings) == 1


def test_more_than_are_held_in_memory_are_not_read(monkeypatch):
    monkeypatch.setattr(account_rows, "MOST", 2)
    with pytest.raises(ValueError, match="2 or more"):
        read(APP, an_account("b", "%"))


READABLE = {
    "db": ("Host", "Db", "User", "Select_priv", "Create_tmp_table_priv", "Grant_priv"),
    "tables_priv": ("Host", "Db", "User", "Table_name", "Table_priv"),
    "columns_priv": ("Host", "Db", "User", "Table_name", "Column_name", "Column_priv"),
    "procs_priv": ("Host", "Db", "User", "Routine_name", "Routine_type", "Proc_priv"),
    "user": ("Host", "User", "Super_priv", "account_locked", "authentication_string"),
    "role_edges": ("FROM_HOST", "FROM_USER", "TO_HOST", "TO_USER", "WITH_ADMIN_OPTION"),
    "default_roles": ("HOST", "USER", "DEFAULT_ROLE_HOST", "DEFAULT_ROLE_USER"),
}


@pytest.fixture
def answers(monkeypatch):
    """A server that lets the user read these columns, and keeps what it was asked."""
    columns, asked = {name: list(each) for name, each in READABLE.items()}, []

    def look(_target, question, _stop):
        asked.append(question)
        rows = [["may read", table, column] for table, each in columns.items() for column in each]
        return [*rows, ["who", "backup@%"]] if "may read" in question else [APP]

    monkeypatch.setattr(server, "look", look)
    return columns, asked


def test_no_column_with_a_password_or_its_hash_is_ever_asked_for(answers):
    _, asked = answers
    assert accounts.read(TARGET, Stop(), asked_for=True)[1] == []
    assert "if(Super_priv = 'Y', 'SUPER', null)" in asked[1]
    assert "if(Grant_priv = 'Y', 'GRANT OPTION', null)" in asked[1]
    assert "account_locked" in asked[1]
    assert "authentication" not in " ".join(asked)
    assert "*" not in asked[1]


def test_what_the_user_may_not_read_is_a_warning_with_the_statement_where_it_was_asked_for(answers):
    columns, _ = answers
    del columns["procs_priv"]
    columns["user"].remove("Host")
    assert accounts.read(TARGET, Stop(), asked_for=False) == (None, [])
    found, (warning,) = accounts.read(TARGET, Stop(), asked_for=True)
    assert found is None
    assert warning.startswith("accounts and grants are not backed up: the user has no right to read mysql.procs_priv, ")
    assert "GRANT SELECT ON mysql.procs_priv TO the_user@`%`;" in warning
    assert "GRANT SELECT (Host, User) ON mysql.user TO" in warning


def test_what_the_server_does_not_answer_is_a_warning(monkeypatch):
    def look(*_):
        raise ValueError("ERROR 3024 (HY000): Query execution was interrupted")

    monkeypatch.setattr(server, "look", look)
    assert accounts.read(TARGET, Stop(), asked_for=False)[1] == [
        "accounts and grants are not backed up: ERROR 3024 (HY000): Query execution was interrupted"
    ]
    assert accounts.given_on_routines(TARGET, Stop()) is None


def test_rights_on_routines_are_read_by_themselves(monkeypatch):
    monkeypatch.setattr(server, "look", lambda *_: [on("procedure", "app", "%", "p", "Execute")])
    (found,) = accounts.given_on_routines(TARGET, Stop())
    assert (found.kind, found.names, found.grants) == (
        "procedure",
        ["p"],
        [GlobalGrant(to="app@%", privileges=["EXECUTE"])],
    )


# what is planned


def some_globals(*names, **changes):
    fields = {
        "version": VERSION,
        "engine": "mysql",
        "database": "shop",
        "roles": [GlobalRole(name=each) for each in names],
    }
    return Globals(**(fields | changes))


def there(*names, engine=MYSQL, memberships=()):
    return There(engine, "restorer@%", frozenset(names), frozenset(memberships))


def runs(plan):
    return [step.run for step in plan.steps]


NO_PASSWORD = (
    "IDENTIFIED WITH caching_sha2_password AS '$A$005$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED'"
)


def test_accounts_that_are_missing_are_made_by_one_statement_locked_and_with_no_password_that_fits():
    found = some_globals("app@%", 'o`dd "\\@10.%', "there@%")
    plan = account_plan.plan(found, there("there@%"))
    assert runs(plan) == [f'CREATE USER `app`@`%` {NO_PASSWORD}, `o``dd "\\`@`10.%` {NO_PASSWORD} ACCOUNT LOCK']
    assert (plan.left_out, plan.cannot_log_in) == ([], [])


def test_mariadb_says_it_in_its_own_words_and_the_user_keeps_no_role_that_it_makes():
    found = some_globals("app@%", "reader@", memberships=[GlobalMembership(role="reader@", member="app@%")])
    plan = account_plan.plan(found, there(engine=MARIADB))
    assert runs(plan) == [
        "CREATE USER `app`@`%` IDENTIFIED VIA mysql_native_password USING 'invalid' ACCOUNT LOCK",
        "CREATE ROLE `reader`",
        "GRANT `reader` TO `app`@`%`",
    ]
    assert account_plan.given_back(plan.lent, "restorer@%") == ["REVOKE `reader` FROM `restorer`@`%`"]
    assert [account_plan.unmade(name) for name in ("app@%", "reader@")] == ["DROP USER `app`@`%`", "DROP ROLE `reader`"]


def test_those_that_could_log_in_are_told():
    found = some_globals(roles=[GlobalRole(name="app@%", login=True), GlobalRole(name="reader@%")])
    assert account_plan.plan(found, there()).cannot_log_in == ["app@%"]


NOT_MADE = {
    "an administrator": (GlobalRole(name="chief@%", superuser=True), (), "was one with SUPER"),
    "root, whose name alone says much": (GlobalRole(name="root@10.%"), (), "an administrator's or the server's own"),
    "the server's own": (GlobalRole(name="mysql.sys@localhost"), (), "an administrator's or the server's own"),
    "who would be taken for one that is there": (
        GlobalRole(name="app@10.%"), ("app@%",), "who logs in as app@% today could be taken for it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("role", "names", "why"), NOT_MADE.values(), ids=NOT_MADE.keys())
def test_an_account_that_would_reach_further_is_not_made_and_the_statement_is_told(role, names, why):
    plan = account_plan.plan(some_globals(roles=[role]), there(*names))
    assert plan.steps == []
    assert len(plan.left_out) == 1
    assert why in plan.left_out[0]
    assert plan.remedies[0].startswith("CREATE USER ")


def test_a_role_of_the_same_name_as_an_account_is_no_other_account():
    assert runs(account_plan.plan(some_globals("app@%"), there("app@", engine=MARIADB))) != []


def test_rights_on_the_whole_server_are_told_and_not_given():
    role = GlobalRole(name="app@%", server_privileges=["FILE", "PROCESS"])
    plan = account_plan.plan(some_globals(roles=[role]), there())
    assert plan.left_out == [
        "app@% does not exist, and had FILE, PROCESS on the whole server, which a restore never gives"
    ]
    assert [run for run in runs(plan) if "FILE" in run] == []
    assert account_plan.plan(some_globals(roles=[role]), there("app@%")).left_out == []


def test_nobody_gets_a_role_that_was_there_before():
    found = some_globals("app@%", memberships=[GlobalMembership(role="mighty@%", member="app@%")])
    plan = account_plan.plan(found, there("mighty@%"))
    assert [run for run in runs(plan) if "mighty" in run] == []
    assert plan.left_out == ["app@% does not get the role mighty@%: that role was there before"]
    assert plan.remedies == ["GRANT `mighty`@`%` TO `app`@`%`"]
    had = account_plan.plan(found, there("mighty@%", "app@%", memberships=[("mighty@%", "app@%")]))
    assert (had.steps, had.left_out) == ([], [])


def test_a_role_that_is_made_is_given_and_active_for_those_that_are_made():
    members = [
        GlobalMembership(role="reader@%", member="alice@%", admin=True, default=True),
        GlobalMembership(role="reader@%", member="bob@%", default=True),
    ]
    plan = account_plan.plan(some_globals("reader@%", "alice@%", memberships=members), there("bob@%"))
    assert runs(plan)[1:] == [
        "GRANT `reader`@`%` TO `alice`@`%` WITH ADMIN OPTION",
        "GRANT `reader`@`%` TO `bob`@`%`",
        "SET DEFAULT ROLE `reader`@`%` TO `alice`@`%`",
    ]


def test_who_is_named_and_not_described_is_missing():
    plan = account_plan.plan(some_globals(grants=[GlobalGrant(to="left@%", privileges=["SELECT"])]), there())
    assert plan.left_out == ["the account left@% does not exist"]


def an_object(kind="table", names=("orders",), **grant):
    return GlobalObject(kind=kind, names=list(names), grants=[GlobalGrant(**grant)] if grant else None)


GOOD = {"grants": [GlobalGrant(to="a@%", privileges=["SELECT"])], "objects": [an_object(to="a@%", privileges=["DROP"])]}
MALFORMED = {
    "no name": {"roles": [GlobalRole(name="@%")]},
    "no host": {"roles": [GlobalRole(name="a@")]},
    "no @": {"roles": [GlobalRole(name="a")]},
    "a line's end": {"roles": [GlobalRole(name="a\nb@%")]},
    "a NUL": {"roles": [GlobalRole(name="a\0@%")]},
    "half a character": {"roles": [GlobalRole(name="\ud800@%")]},
    "a character that the server loses": {"roles": [GlobalRole(name="\U0001f600@%")]},
    "a space that the server loses": {"roles": [GlobalRole(name="root @%")]},
    "a name that is too long": {"roles": [GlobalRole(name="a" * 33 + "@%")]},
    "a host that is a statement": {"roles": [GlobalRole(name="a@%' identified by 'x")]},
    "a host between backquotes": {"roles": [GlobalRole(name="a@`")]},
    "a member": {"memberships": [GlobalMembership(role="a@%", member="")]},
    "a definer": {"objects": [GlobalObject(kind="view", names=["v"], owner="x")]},
    "a statement for a privilege": {"grants": [GlobalGrant(to="a@%", privileges=["SELECT ON *.* TO b; --"])]},
    "a privilege on the whole server": {"grants": [GlobalGrant(to="a@%", privileges=["SUPER"])]},
    "all privileges": {"grants": [GlobalGrant(to="a@%", privileges=["ALL"])]},
    "a right to pass on that is none": {"grants": [GlobalGrant(to="a@%", grantable=["PROXY"])]},
    "a privilege on a table that only a database has": {"objects": [an_object(to="a@%", privileges=["LOCK TABLES"])]},
    "another database's table": {"objects": [an_object(names=("mysql", "user"), to="a@%", privileges=["SELECT"])]},
    "a table without a name": {"objects": [an_object(names=(), to="a@%", privileges=["SELECT"])]},
    "a table with a line's end": {"objects": [an_object(names=("a\n",), to="a@%", privileges=["SELECT"])]},
    "a column without a table": {"objects": [an_object("column", ("id",), to="a@%", privileges=["SELECT"])]},
    "a column's right to pass on": {"objects": [an_object("column", ("t", "id"), to="a@%", grantable=["SELECT"])]},
    "a kind that is a statement": {"objects": [an_object("table x; --", to="a@%", privileges=["SELECT"])]},
    "a database within the database": {"objects": [an_object("database", ("x",), to="a@%", privileges=["SELECT"])]},
    "rights on a trigger": {"objects": [an_object("trigger", ("t",), to="a@%", privileges=["SELECT"])]},
    "everybody, whom MySQL does not know": {"grants": [GlobalGrant(privileges=["SELECT"])]},
}  # fmt: skip


@pytest.mark.parametrize("changes", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_as_holdfast_writes_it_is_refused_by_name(changes):
    account_plan.checked(some_globals(**GOOD), MYSQL)
    with pytest.raises(HoldfastError, match="which Holdfast never writes; nothing was changed") as caught:
        account_plan.checked(some_globals(**changes), MYSQL)
    assert caught.value.reason is Reason.MANIFEST_CONFLICT


@pytest.mark.parametrize("name", ["PUBLIC@", "none@", "current_user@"])
def test_a_role_of_mariadb_that_the_server_takes_for_somebody_else_is_refused(name):
    account_plan.checked(some_globals("reader@", grants=[GlobalGrant(privileges=["SELECT"])]), MARIADB)
    with pytest.raises(HoldfastError, match="an account of the name"):
        account_plan.checked(some_globals(name), MARIADB)


# which statements


def test_a_database_is_named_as_no_pattern_and_a_table_as_it_is():
    grant = GlobalGrant(to='o`"\\@%', privileges=["SELECT", "INSERT"])
    assert right_statements.on_database([grant], "my_sh%p") == [r'GRANT SELECT, INSERT ON `my\_sh\%p`.* TO `o``"\`@`%`']
    assert right_statements.on_object(an_object(names=["t`\\"]), [grant], "my_shop") == [
        'GRANT SELECT, INSERT ON TABLE `my_shop`.`t``\\` TO `o``"\\`@`%`'
    ]


def test_columns_routines_and_everybody_are_named_in_their_own_ways():
    to = GlobalGrant(privileges=["SELECT", "UPDATE"])
    assert right_statements.on_object(an_object("column", ["t", "c`d"]), [to], "s") == [
        "GRANT SELECT (`c``d`), UPDATE (`c``d`) ON TABLE `s`.`t` TO PUBLIC"
    ]
    run = GlobalGrant(to="a@%", grantable=["EXECUTE"])
    assert right_statements.on_object(an_object("package body", ["p"]), [run], "s") == [
        "GRANT EXECUTE ON PACKAGE BODY `s`.`p` TO `a`@`%` WITH GRANT OPTION"
    ]
    assert right_statements.off_object(an_object("procedure", ["p"]), [run], "s") == [
        "REVOKE EXECUTE ON PROCEDURE `s`.`p` FROM `a`@`%`",
        "REVOKE GRANT OPTION ON PROCEDURE `s`.`p` FROM `a`@`%`",
    ]


def test_to_pass_rights_on_is_said_without_a_word_for_no_right():
    both = GlobalGrant(to="a@%", privileges=["SELECT"], grantable=["USAGE"])
    assert right_statements.on_database([both], "s") == ["GRANT SELECT ON `s`.* TO `a`@`%` WITH GRANT OPTION"]


def test_each_part_of_a_grant_is_taken_back_by_one_statement():
    parts = list(right_statements.one_by_one([GlobalGrant(to="a@%", grantable=["SELECT"])]))
    assert right_statements.on_database(parts, "s") == [
        "GRANT SELECT ON `s`.* TO `a`@`%`", "GRANT USAGE ON `s`.* TO `a`@`%` WITH GRANT OPTION",
    ]  # fmt: skip
    assert [right_statements.off_database(each, "s") for each in parts] == [
        ["REVOKE SELECT ON `s`.* FROM `a`@`%`"], ["REVOKE GRANT OPTION ON `s`.* FROM `a`@`%`"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "held", "lack"),
    [
        ({"privileges": ["SELECT"]}, {"grantable": ["SELECT"]}, None),
        ({"privileges": ["SELECT"]}, {"privileges": ["INSERT", "SELECT"]}, None),
        ({"privileges": ["DROP", "SELECT"]}, {"privileges": ["SELECT"]}, {"privileges": ["DROP"]}),
        ({"grantable": ["SELECT"]}, {"privileges": ["SELECT"]}, {"grantable": ["USAGE"]}),
        ({"grantable": ["SELECT"]}, {}, {"privileges": ["SELECT"], "grantable": ["USAGE"]}),
        ({"grantable": ["USAGE"]}, {"grantable": ["SELECT"]}, None),
        ({"grantable": ["USAGE"]}, {"privileges": ["SELECT"]}, {"grantable": ["USAGE"]}),
        ({"privileges": ["USAGE"]}, {}, None),
    ],
)
def test_only_what_is_lacking_is_given(wanted, held, lack):
    found = right_statements.lacking([GlobalGrant(to="a@%", **wanted)], [GlobalGrant(to="a@%", **held)])
    assert found == ([GlobalGrant(to="a@%", **lack)] if lack else [])


@pytest.mark.parametrize(
    ("grant", "may"),
    [
        ("GRANT ALL PRIVILEGES ON `shop`.* TO `r`@`%` WITH GRANT OPTION", True),
        (r"GRANT ALL PRIVILEGES ON `sho%`.* TO `r`@`%` WITH GRANT OPTION", True),
        ("GRANT ALL PRIVILEGES ON *.* TO `r`@`%` WITH GRANT OPTION", True),
        ("GRANT ALL PRIVILEGES ON `shop`.* TO `r`@`%`", False),
        ("GRANT ALL PRIVILEGES ON `other`.* TO `r`@`%` WITH GRANT OPTION", False),
        ("GRANT SELECT ON `shop`.`orders` TO `r`@`%` WITH GRANT OPTION", False),
    ],
)
def test_who_may_give_rights_on_the_whole_database_is_read_from_his_own(grant, may):
    assert grants.may_pass_on([grant], "shop") is may


# what a switch carries


def test_routines_that_are_made_anew_and_whose_rights_are_not_carried_are_named():
    old = definitions(
        "CREATE PROCEDURE `p`() SELECT 1", "CREATE PROCEDURE `gone`() SELECT 1", "CREATE FUNCTION `f`() RETURN 1"
    )
    new = definitions("CREATE PROCEDURE `p`() SELECT 2", "CREATE FUNCTION `f`() RETURN 1")
    (said,) = Carried(why_not="because").lost(old, new)
    assert said == "rights on procedure p, created again, are not restored: because"
    assert Carried(why_not="because").lost(old, old) == []
    assert Carried().lost(old, new) == []


@pytest.mark.parametrize(
    ("held", "given", "told"),
    [
        (["GRANT ALL PRIVILEGES ON `orders`.* TO `r`@`%` WITH GRANT OPTION"], 2, False),
        (["GRANT EXECUTE, ALTER ROUTINE ON `orders`.* TO `r`@`%` WITH GRANT OPTION"], 1, True),
        (["GRANT ALL PRIVILEGES ON `orders`.* TO `r`@`%`"], 0, True),
    ],
    ids=["all of them", "those that he has", "none"],
)
def test_rights_on_routines_are_carried_as_far_as_the_user_may_give_them(monkeypatch, held, given, told):
    rows = [on("procedure", "app", "%", "p", "Execute"), on("function", "app", "%", "f", "Show Create Routine")]
    monkeypatch.setattr(server, "look", lambda *_: rows)
    who = ["who", "9.7.0", "r@%"]
    monkeypatch.setattr(Schema, "run", lambda *_: [who, *([each] for each in held)])
    found = routine_rights.read(Schema(TARGET, Stop()))
    assert (len(found.given), found.why_not is not None) == (given, told)
    if given == 2:
        procedure = definitions("CREATE PROCEDURE `p`() SELECT 1")
        assert [each.create for each in found.of(procedure)] == ["GRANT EXECUTE ON PROCEDURE `orders`.`p` TO `app`@`%`"]


def test_where_they_cannot_be_read_none_are_carried_and_that_is_told(monkeypatch):
    monkeypatch.setattr(server, "look", lambda *_: (_ for _ in ()).throw(ValueError("ERROR 1142")))
    found = routine_rights.read(Schema(TARGET, Stop()))
    assert found.given == []
    assert "mysql.procs_priv" in (found.why_not or "")
