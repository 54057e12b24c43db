"""Succeeded means that it comes back: by the users and commands of docs/how-to/back-up-mysql.md, and no others."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.integration.runner.mysql_server import MARIADB, MYSQL, RESTORER, RESTORER_SECRET, MySQLServer, literal
from tests.integration.runner.test_mysql_contents import backed_up as backed_up_whole
from tests.integration.runner.test_mysql_contents import created
from tests.integration.runner.test_mysql_round_trip import backed_up, restored
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

OLDER = """
alter database character set latin1 collate latin1_swedish_ci;
create table t (id int primary key, v varchar(10));
insert into t values (1, 'a');
create procedure greet(in who varchar(20)) select concat('hello ', who);
alter database character set utf8mb4 collate utf8mb4_bin;
"""
# What sakila has: views upon functions and views, routines, triggers, events, generated columns, all of them made by
# an administrator who named no definer.
LIKE_SAKILA = """
alter database character set utf8mb4 collate utf8mb4_unicode_ci;
create table staff (id int primary key auto_increment, boss int, name varchar(50), shout varchar(50) as (upper(name)),
  constraint its_boss foreign key (boss) references staff (id));
insert into staff (id, boss, name) values (1, null, 'ann'), (2, 1, 'bob');
create table log (id int primary key auto_increment, staff int, what enum('in', 'out'), at timestamp default now());
delimiter ;;
create function boss_of(who int) returns int reads sql data return (select boss from staff where id = who);;
create procedure counted(out n int) begin select count(*) into n from staff; end;;
create trigger staff_logged after insert on staff for each row insert into log (staff, what) values (new.id, 'in');;
create event cleaned on schedule every 1 day disable do delete from log where at < now() - interval 1 year;;
delimiter ;
create view bosses as select id, boss_of(id) as boss from staff;
create sql security invoker view named as select b.id, s.name, count(*) as n
  from bosses b join staff s on s.id = b.boss group by b.id, s.name having n > 0;
"""
UNKEYED = """
set session foreign_key_checks = 1;
create table parent (id int primary key, code int, key (code));
create table child (id int primary key, code int, foreign key (code) references parent (code));
insert into parent values (1, 7);
insert into child values (1, 7);
"""
COLLATION = (
    "select database_collation from information_schema.routines where routine_schema = {0} union all "
    "select default_collation_name from information_schema.schemata where schema_name = {0}"
)


@contextmanager
def globally(server: MySQLServer, **settings: object) -> Iterator[None]:
    """Have the server's settings be so for the block, as administrators set them for everyday sessions."""
    try:
        server.sql("".join(f"set global {name} = {value};" for name, value in settings.items()))
        yield
    finally:
        server.sql("".join(f"set global {name} = default;" for name in settings))


def test_a_routine_older_than_the_databases_character_set_changes_the_target_and_not_the_original(
    world: World, server: MySQLServer
) -> None:
    task = server.backup(world, created(server, "older", OLDER))
    backed_up(world, server, task)
    before = server.sql(COLLATION.format(literal("older")))
    server.sql("alter database character set latin2 collate latin2_bin", "older")  # any change would be seen

    result = restored(world, server, task, "older beside")

    assert result.exit_code == 0, result.log
    assert server.sql(COLLATION.format(literal("older beside"))) == before == "latin1_swedish_ci\nutf8mb4_bin\n"
    assert "latin2_bin" in server.sql(COLLATION.format(literal("older")))


def test_a_database_like_sakila_comes_back_beside_the_original_with_the_same_schema(
    world: World, server: MySQLServer
) -> None:
    task = server.backup(world, created(server, "like sakila", LIKE_SAKILA))
    backed_up(world, server, task)
    if server.family is MYSQL:  # other tests of this server have granted it
        server.sql(f"revoke if exists SHOW_ROUTINE on *.* from {literal(RESTORER)}@'%'")

    result = restored(world, server, task, "sakila beside")

    assert result.exit_code == 0, result.log
    before, after = server.fingerprint("like sakila"), server.fingerprint("sakila beside")
    tables = [name for name in before if name.startswith("definition of table")]  # MySQL words them anew
    assert differences(*({k: v for k, v in each.items() if k not in tables} for each in (before, after))) == []
    server.let_dump("sakila beside")
    again, _ = backed_up_whole(world, server, "sakila beside")
    assert again.schema_sha256 == world.manifest(task).schema_sha256
    assert result.report is not None
    assert result.report.restore is not None
    unread = [warning for warning in result.report.warnings if "were not compared" in warning]
    if server.family is MYSQL:  # its restore's user may not read the code of other definers
        assert unread[0].startswith("its procedures and functions were not compared with the dump: ")
        assert "schema" not in result.report.restore.compared
    else:
        assert unread == []
        assert "schema" in result.report.restore.compared


WORDY = """
create table `Checks` (a varchar(10) check (a in ('a', 'b') and a like '%'), b int default (1 + 2),
  c varchar(20) as (concat(a, 'ü')) stored, d timestamp default current_timestamp on update current_timestamp,
  e varchar(5) character set latin1, f enum('x', 'y;') default 'x', key part (a(3)));
insert into `Checks` (a, b) values ('a', 1);
create view cases as select a, case when b > 1 and not (b = 3) then 'x' else 'y' end as k, a between 'a' and 'b' as z,
  b div 2 as q, date_add(d, interval 1 day) as t from `Checks`
  where a in (select a from `Checks`) or a collate utf8mb4_bin = 'c' group by a, b, d having count(*) > 0 limit 5;
create view counted as with recursive n as (select 1 as i union all select i + 1 from n where i < 5)
  select n.i, c.a from n join `Checks` c on c.b = n.i left join `Checks` d on d.a = c.a;
create view ranked as select row_number() over (partition by a order by b) as r, json_extract('{"a": 1}', '$.a') as j,
  cast(b as char(10) character set utf8mb4) as ch, a regexp '^x' as rx, _latin1'abc' as l from `Checks`;
create event soon on schedule every 1 day do delete from `Checks` where b = 0;
"""


def test_what_a_restored_database_is_made_of_is_compared_with_the_dump(world: World, server: MySQLServer) -> None:
    task = server.backup(world, created(server, "wordy", WORDY))
    backed_up(world, server, task)
    result = restored(world, server, task, "wordy beside")
    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.restore is not None
    assert result.report.restore.compared == ["rows", "views", "schema"]
    assert result.report.warnings == []


def test_what_the_server_defines_in_other_words_is_named(world: World, mysql: MySQLServer) -> None:
    script = "create table keyed (i int primary key); create table bare (i int);"
    task = mysql.backup(world, created(mysql, "without keys", script))
    backed_up(world, mysql, task)
    with globally(mysql, sql_generate_invisible_primary_key=1):
        result = restored(world, mysql, task, "with keys")
    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.restore is not None
    assert result.report.restore.compared == ["rows"]
    assert result.report.warnings == [
        "the server defines these in other words than the dump, so compare them with the original: table `bare`"
    ]


def test_a_restore_by_a_user_who_may_not_name_a_definer_is_refused_before_it_begins(
    world: World, mysql: MySQLServer
) -> None:
    task = mysql.backup(world, created(mysql, "of root", "create view v as select 1 as one"))
    result = backed_up(world, mysql, task)
    assert result.report is not None
    assert result.report.backup is not None
    assert "CREATE USER IF NOT EXISTS `root`@`localhost`" in "".join(result.report.backup.needs)
    mysql.create_user("lesser")
    mysql.create("of root beside")
    mysql.grant("ALL ON `of root beside`.*", "lesser")
    mysql.grant("SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER ON *.*", "lesser")
    work = world.restore(task, "of root beside").model_copy(update={"database": task.database})
    secret = RESTORER_SECRET | {"username": "lesser"}
    arguments = ["--target-database=of root beside"]

    result = world.pod(work, image=MYSQL.runner, arguments=arguments, database_secret=secret).run()

    assert_failed(result, 1, "TargetNotReady", "with the definer root@localhost")
    assert result.failure.remedy.startswith("GRANT SYSTEM_USER ON *.* TO the restore's user")
    assert mysql.sql("show tables", "of root beside") == ""


@pytest.mark.parametrize("family", [MYSQL, MARIADB], ids=lambda family: family.engine)
def test_limits_of_everyday_sessions_hold_up_neither_a_backup_nor_a_restore(
    world: World, family: object, request: pytest.FixtureRequest
) -> None:
    mysql = family is MYSQL
    server: MySQLServer = request.getfixturevalue("mysql" if mysql else "mariadb")
    rows = "create table t (id int primary key auto_increment, v varchar(200)); insert into t (v) values ('x'), ('y');"
    database = created(server, "limited", rows + "insert into t (v) select v from t;" * 14)
    server.create("limited back")  # by an administrator, whom no limit holds up
    server.let_restore("limited back")
    limits: dict[str, object] = {"lock_wait_timeout": 1, "autocommit": 0}
    limits |= {"max_execution_time": 1, "sql_select_limit": 1} if mysql else {"max_statement_time": 0.001}
    limits |= {"max_join_size": 1} if mysql else {}
    task = server.backup(world, database)
    work = world.restore(task, "limited back").model_copy(update={"database": task.database})
    with globally(server, **limits):
        backed_up(world, server, task)
        result = world.pod(
            work, image=server.family.runner, arguments=["--target-database=limited back"],
            database_secret=RESTORER_SECRET,
        ).run()  # fmt: skip
    assert result.exit_code == 0, result.log
    assert world.manifest(task).rows == 2 << 14
    assert differences(server.fingerprint(database), server.fingerprint("limited back")) == []


def test_a_mariadb_server_that_would_leave_rows_out_is_refused(world: World, mariadb: MySQLServer) -> None:
    task = mariadb.backup(world, "shop")
    with globally(mariadb, sql_select_limit=5):
        result = world.pod(task, image=MARIADB.runner).run()
    assert_failed(result, 7, "DumpFailed", "sql_select_limit", "at most that many rows")
    assert result.failure.remedy.startswith("SET GLOBAL sql_select_limit = DEFAULT")


def test_a_foreign_key_upon_a_key_that_is_not_unique_comes_back(world: World, server: MySQLServer) -> None:
    old = "set session restrict_fk_on_non_standard_key = 0;" if server.family is MYSQL else ""
    task = server.backup(world, created(server, "unkeyed", old + UNKEYED))
    backed_up(world, server, task)
    result = restored(world, server, task, "unkeyed back")
    assert result.exit_code == 0, result.log
    assert differences(server.fingerprint("unkeyed"), server.fingerprint("unkeyed back")) == []


@pytest.mark.matrix
def test_a_disk_of_mariadbs_that_is_surely_too_small_is_told_before_anything_is_fetched(world: World) -> None:
    server = MySQLServer(world.network, f"{world.network}-mariadb-disk", MARIADB, volume="/var/lib/mysql")
    try:
        task = server.backup(world, created(server, "grown", "create table t (i int); insert into t values (1);"))
        backed_up(world, server, task)
        manifest = world.manifest(task)
        huge = {
            "artifact": manifest.artifact.model_copy(update={"size_bytes": 1 << 50}),
            "database": manifest.database.model_copy(update={"size_bytes": 1 << 50}),
        }
        key, bigger = f"{task.key_prefix}manifest.json", manifest.model_copy(update=huge).to_json()
        world.store.client.put_object(Bucket="backups", Key=key, Body=bigger)

        unknown = restored(world, server, task, "grown beside")
        server.sql("install soname 'disks'")
        unseen = restored(world, server, task, "grown beside too")
        server.grant("FILE ON *.*", RESTORER)
        refused = restored(world, server, task, "grown beside as well")

        assert "DiskFull" not in f"{unknown.log}{unseen.log}"
        assert_failed(refused, 2, "DiskFull", "available, and the restored database needs", f"({1 << 50} bytes)")
        assert server.sql("show tables", "grown beside as well") == ""
    finally:
        server.remove()
