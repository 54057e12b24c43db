"""Accounts and grants of MySQL and MariaDB: backed up beside the dump, and given back to a server that knows none."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.integration.runner.mysql_server import (
    RESTORER,
    RESTORER_SECRET,
    MySQLServer,
    identifier,
    literal,
    pattern,
)
from tests.integration.runner.pod import Result
from tests.integration.runner.servers import USER
from tests.integration.runner.test_globals import companion, put, with_globals
from tests.integration.runner.world import World, assert_failed

from holdfast.api.restoring import GlobalsMode, RestoreMode
from holdfast.contract.globals import Globals
from holdfast.contract.task import BackupTask, Beside

DATABASE = "with_accounts"
ODD = "o'dd `\"\\"
ACCOUNTS = [("clerk", "%"), ("clerk", "10.%"), (ODD, "%"), ("alice", "localhost")]
CONTENT = """
create table orders (id int primary key, card varchar(20));
create table `odd ``one` (id int primary key);
insert into orders values (1, 'x'), (2, 'y');
create definer = clerk@'%' sql security definer view open_orders as select id from orders;
create definer = clerk@'%' procedure count_them() select count(*) from orders;
create function twice(i int) returns int deterministic return i * 2;
"""
GRANTS = """
grant select, insert, update, delete, execute on {pattern}.* to clerk@'%';
grant select on {pattern}.* to clerk@'10.%';
grant select (id), update (card) on {name}.orders to {odd};
grant select on {name}.`odd ``one` to {odd} with grant option;
grant execute on procedure {name}.count_them to {odd};
grant select on {name}.open_orders to reader;
grant execute on function {name}.twice to reader;
grant reader to alice@localhost;
grant process on *.* to clerk@'%';
grant select on mysql.help_topic to clerk@'%';
"""
HASHES = "select authentication_string from mysql.user where user = 'clerk'"
MAY_LOG_IN = {
    "mysql": "select count(*) from mysql.user where user in ('clerk', 'alice') and account_locked <> 'Y'",
    "mariadb": "select count(*) from mysql.global_priv where user in ('clerk', 'alice') "
    "and not coalesce(json_value(priv, '$.account_locked'), 0)",
}


class Shop:
    """A database whose accounts may all kinds of things."""

    def __init__(self, world: World, server: MySQLServer) -> None:
        self.world, self.server = world, server
        self.forget()
        make = [f"create user {written(user, host)} identified by 'secret of {host}'" for user, host in ACCOUNTS]
        server.sql(";".join([f"create database {identifier(DATABASE)}", *make, "create role reader"]))
        server.sql(CONTENT, DATABASE)
        name = identifier(DATABASE)
        default = "set default role reader to alice@localhost" if server.family.engine == "mysql" else ""
        server.sql(GRANTS.format(pattern=pattern(DATABASE), name=name, odd=written(ODD, "%")) + default)
        server.let_dump(DATABASE)
        server.let_see_accounts(USER)

    def forget(self) -> None:
        """Have the server forget it all, and the rights on it, which a server keeps."""
        databases = f"select schema_name from information_schema.schemata where schema_name like '{DATABASE}%'"
        said = [f"drop database {identifier(name)}" for name in self.server.sql(databases).split()]
        said += [f"drop user if exists {written(user, host)}" for user, host in ACCOUNTS]
        self.server.sql(";".join([*said, "drop role if exists reader, mighty", "drop user if exists thief"]))

    def let_give(self) -> None:
        """Grant the restore's user what docs/how-to/back-up-mysql.md says."""
        self.server.let_restore(DATABASE)
        self.server.let_give(DATABASE)

    def back_up(self) -> BackupTask:
        task = with_globals(self.server.backup(self.world, DATABASE))
        result = self.world.pod(task, image=self.server.family.runner).run()
        self.world.assert_backed_up(task, result)
        assert result.report is not None
        assert [each for each in result.report.warnings if "grants" in each] == []
        return task

    def restore(self, task: BackupTask, wanted: str = "Require", mode: str = "Refuse", **changes: Any) -> Result:
        fields = {
            "database": task.database, "globals": GlobalsMode(wanted), "create": True, "mode": RestoreMode(mode),
        } | changes  # fmt: skip
        work = self.world.restore(task, DATABASE).model_copy(update=fields)
        return self.world.pod(work, image=self.server.family.runner, database_secret=RESTORER_SECRET).run()

    def grants(self) -> list[str]:
        """Return what each account may do with the database, as the server says it."""
        names = [written(user, host) for user, host in ACCOUNTS] + ["reader"]
        rows = self.server.sql("".join(f"show grants for {name};\n" for name in names)).splitlines()
        return sorted(row for row in rows if "accounts" in row or "reader" in row)

    def grants_of(self, user: str, host: str) -> list[str]:
        rows = self.server.sql(f"show grants for {written(user, host)}").splitlines()
        return [row for row in rows if "accounts" in row]

    def rewritten(self, task: BackupTask, change: Callable[[dict[str, Any]], object]) -> None:
        """Change what the companion says, as somebody may who writes to the bucket, and the manifest with it."""
        said = companion(self.world, task).model_dump(mode="json", by_alias=True, exclude_none=True)
        change(said)
        put(self.world, task, json.dumps(said).encode())

    def seen(self) -> Globals:
        """Return what a backup says of it now."""
        return companion(self.world, self.back_up())

    def count(self, question: str) -> int:
        return int(self.server.sql(question))

    def accounts(self) -> int:
        names = ", ".join(literal(user) for user in {user for user, _ in ACCOUNTS} | {"reader"})
        return self.count(f"select count(*) from mysql.user where user in ({names})")


def written(user: str, host: str) -> str:
    return f"{identifier(user)}@{identifier(host)}"


@pytest.fixture
def shop(world: World, server: MySQLServer) -> Iterator[Shop]:
    made = Shop(world, server)
    yield made
    made.forget()


LATER = """
drop procedure count_them;
create definer = clerk@'%' procedure count_them() select 'another';
grant execute on procedure {name}.count_them to {odd};
revoke select on {name}.open_orders from reader;
revoke insert on {pattern}.* from clerk@'%';
grant delete on {name}.orders to clerk@'10.%';
"""
NAMES = Beside(fresh=f"{DATABASE}_restoring_1", old=f"{DATABASE}_before_1")
LEFT = """
select (select count(*) from mysql.db where db like 'with%restoring%')
  + (select count(*) from mysql.tables_priv where db like 'with%restoring%')
  + (select count(*) from mysql.columns_priv where db like 'with%restoring%')
  + (select count(*) from mysql.procs_priv where db like 'with%restoring%')
"""


def told(found: Globals) -> dict[str, Any]:
    """What must be the same: all but who may log in, what reaches beyond the database, and who restored."""
    ours = {f"{user}@{host}" for user, host in ACCOUNTS} | {"reader@%", "reader@"}
    said = found.model_dump(mode="json", exclude={"roles", "memberships", "grants"})
    return said | {
        "roles": [role.name for role in found.roles if role.name in ours],
        "members": found.memberships,
        "grants": [grant for grant in found.grants or [] if grant.to in ours],
    }


def test_accounts_and_grants_come_back_and_hold_for_what_replaces_the_database(shop: Shop) -> None:
    task = shop.back_up()
    before, may = companion(shop.world, task), shop.grants()
    text = before.to_json().decode()
    assert [each for each in shop.server.sql(HASHES).split() if each in text] == []
    assert "PROCESS" in text, "recorded, and never given"
    assert "help_topic" not in text, "another database's"
    shop.forget()
    shop.let_give()
    shop.server.sql("create user clerk@'%' identified by 'another', clerk@'10.%' account lock")

    result = shop.restore(task)

    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.restore is not None
    assert result.report.restore.compared[-1] == "grants"
    assert [each for each in result.report.warnings if "alice@localhost" in each and "no password fits" in each]
    assert shop.grants() == may
    assert shop.count(MAY_LOG_IN[shop.server.family.engine]) == 0
    shop.server.sql(f"alter user {written(ODD, '%')} account unlock")
    assert not shop.server.logs_in(ODD, ""), "unlocked by mistake, no password fits it"
    assert told(shop.seen()) == told(before)

    live = identifier(DATABASE)
    shop.server.sql(LATER.format(name=live, pattern=pattern(DATABASE), odd=written(ODD, "%")), DATABASE)
    replaced = shop.restore(task, mode="Replace", beside=NAMES, create=False)

    assert replaced.exit_code == 0, replaced.log
    assert replaced.report is not None
    assert [each for each in replaced.report.warnings if "rights" in each or "grants" in each] == []
    assert shop.grants() == sorted([*may, f"GRANT DELETE ON {live}.`orders` TO {written('clerk', '10.%')}"])
    assert shop.count(LEFT) == 0, "nobody keeps a right on what was there for the restore alone"


@pytest.mark.matrix
def test_require_says_what_it_lacks_and_leaves_nothing_behind(shop: Shop) -> None:
    task = shop.back_up()
    shop.forget()
    shop.let_give()
    refused = shop.restore(task)
    assert_failed(refused, 1, "TargetNotReady", "clerk@% does not exist, and had PROCESS on the whole server")
    assert "CREATE USER `clerk`@`%`" in refused.failure.remedy
    assert "nothing was changed" in refused.failure.message
    assert shop.accounts() == 0

    shop.server.sql(f"drop database {identifier(DATABASE)}; create user clerk@'%' account lock")
    shadowed = shop.restore(task)
    assert_failed(shadowed, 1, "TargetNotReady", "clerk@10.% does not exist, and who logs in as clerk@% today")

    shop.server.sql(f"drop database {identifier(DATABASE)}; create user clerk@'10.%' account lock")
    shop.server.sql(f"revoke create user on *.* from {RESTORER}@'%'")
    powerless = shop.restore(task)
    assert_failed(powerless, 1, "TargetNotReady", "CREATE USER")
    assert shop.accounts() == 2, "those that were there"
    assert shop.grants_of("clerk", "%") + shop.grants_of("clerk", "10.%") == [], "and they got nothing"


@pytest.mark.matrix
def test_if_missing_gives_what_may_be_given_and_says_the_rest(shop: Shop) -> None:
    task = shop.back_up()
    shop.forget()
    shop.let_give()
    shop.server.sql(f"revoke create user on *.* from {RESTORER}@'%'; create user clerk@'%' account lock")
    result = shop.restore(task, "IfMissing")
    assert result.exit_code == 0, result.log
    assert result.report is not None
    said = " ".join(result.report.warnings)
    assert "the account clerk@10.% does not exist, and who logs in as clerk@% today could be taken for it" in said
    assert "CREATE USER" in said
    assert shop.accounts() == 1
    assert shop.grants_of("clerk", "%") != []


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a privilege that is a statement": (
        lambda said: said["grants"][0].update(privileges=["ALL ON *.* TO thief; --"]), "the privilege",
    ),
    "a right on the whole server": (lambda said: said["grants"][0].update(privileges=["SUPER"]), "the privilege"),
    "another database's table": (
        lambda said: said["objects"].append({"kind": "table", "names": ["mysql", "user"]}), "the 'table'",
    ),
    "a host that is a statement": (
        lambda said: said["grants"][0].update(to="thief@%' identified by 'x'; --"), "an account of the name",
    ),
    "a name with a line's end": (lambda said: said["roles"].append({"name": "thief\n@%"}), "an account of the name"),
}  # fmt: skip


@pytest.mark.matrix
@pytest.mark.parametrize(("change", "says"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_holdfast_never_writes_ends_the_restore_before_anything_is_made(
    shop: Shop, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    task = shop.back_up()
    shop.rewritten(task, change)
    shop.forget()
    shop.let_give()
    assert_failed(shop.restore(task, "IfMissing"), 5, "ManifestConflict", says, "nothing was changed")
    assert shop.accounts() == 0


@pytest.mark.matrix
def test_a_companion_that_reaches_for_more_gets_names_and_nothing_else(shop: Shop) -> None:
    """Restored by a user who could give it all."""
    task = shop.back_up()
    injected = "t`'\"; drop user root; -- \\"

    def greedy(said: dict[str, Any]) -> None:
        said["roles"] += [
            {"name": f"{injected}@%"}, {"name": "root@10.%"}, {"name": f"{RESTORER}@10.%"},
            {"name": "thief@%", "superuser": True},
        ]  # fmt: skip
        said["grants"] += [{"to": f"{injected}@%", "grantable": ["SELECT"]}]
        said["memberships"] += [{"role": "mighty@%" if shop.server.family.engine == "mysql" else "mighty@",
                                 "member": f"{injected}@%"}]  # fmt: skip

    shop.rewritten(task, greedy)
    shop.forget()
    shop.let_give()
    shop.server.sql("create role mighty; grant all on *.* to mighty")
    result = shop.restore(task, "IfMissing")
    assert result.exit_code == 0, result.log
    assert result.report is not None
    said = " ".join(result.report.warnings)
    assert "does not get the role mighty" in said
    hosts = f"select count(*) from mysql.user where host = '10.%' and user in ('root', '{RESTORER}') or user = 'thief'"
    assert shop.count(hosts) == 0
    rows = shop.server.sql(f"show grants for {written(injected, '%')}").splitlines()
    assert [row for row in rows if "mighty" in row or "ALL" in row] == []
    assert len(rows) == 2, "to be there, and to read this one database"
    shop.server.sql(f"drop user {written(injected, '%')}")


@pytest.mark.matrix
def test_a_user_who_may_not_read_them_is_told_and_the_backup_goes_on(shop: Shop) -> None:
    shop.server.sql(f"revoke select on mysql.db from {USER}@'%'")
    task = with_globals(shop.server.backup(shop.world, DATABASE))
    result = shop.world.pod(task, image=shop.server.family.runner).run()
    shop.world.assert_backed_up(task, result)
    assert result.report is not None
    assert shop.world.manifest(task).globals is None
    (said,) = [each for each in result.report.warnings if "grants" in each]
    assert "GRANT SELECT ON mysql.db TO" in said
