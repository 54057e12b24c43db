"""Restores into a database that has something in it, and what must be seen of them: words that several tests share."""

from typing import Any

from tests.integration.runner.pod import Result
from tests.integration.runner.servers import USER, literal
from tests.integration.runner.world import World, assert_no_secret

from holdfast.contract.report import RestoreReport
from holdfast.contract.task import BackupTask, Beside, RestoreIdentity, RestoreTask

MADE = """
create table orders (id int generated always as identity primary key, what text);
insert into orders (what) select 'order ' || n from generate_series(1, 1000) n;
create table "Odd ""one"" (2)" (id serial primary key, kept bytea);
insert into "Odd ""one"" (2)" (kept) values ('\\x00ff');
create view seen as select count(*) from orders;
"""
# Everything that a database has besides its content, by the names that it has it under.
PROPERTIES = """
select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, spcname, datconnlimit, datacl,
  shobj_description(d.oid, 'pg_database'),
  (select array_agg(row(setrole::regrole, setconfig) order by setrole) from pg_db_role_setting
   where setdatabase = d.oid)
from pg_database d join pg_tablespace t on t.oid = dattablespace where datname = {}
"""


def replacing(world: World, of: BackupTask, database: str, **changes: Any) -> RestoreTask:
    names = Beside(fresh=f"{database} fresh", old=f"{database} before")
    asks = RestoreIdentity(uid="u-1", namespace="shop", name="r")
    return world.restore(of, database, **({"mode": "Replace", "beside": names, "restore": asks} | changes))


def databases(world: World, like: str) -> set[str]:
    rows = world.db.sql("postgres", f"select datname from pg_database where datname like {literal(like + '%')}")
    return set(rows.splitlines())


def properties(world: World, database: str) -> str:
    return world.db.sql("postgres", PROPERTIES.format(literal(database)))


def came(result: Result) -> RestoreReport:
    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.restore is not None
    assert_no_secret(result)
    return result.report.restore


def backed_up(world: World, database: str, form: str, made: str = MADE) -> BackupTask:
    world.db.create(database)
    world.db.sql(database, made, USER)
    task = world.backup(database, form)
    world.assert_backed_up(task, world.pod(task).run())
    return task


def assert_untouched(world: World, database: str, before: Any) -> None:
    """The target is as it was, and nothing is beside it."""
    assert databases(world, database) == {database}
    assert (properties(world, database), world.db.fingerprint(database)) == before
