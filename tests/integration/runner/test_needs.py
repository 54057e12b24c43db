"""What a dump does not hold: recorded, asked for before a byte flows, and restored once its own remedy was run.

Backed up by the user of the docs with the rights of the docs, restored by the database's owner, who is no superuser.
"""

import itertools
import re
from collections.abc import Iterator

import pytest
from tests.integration.runner.containers import docker
from tests.integration.runner.servers import PASSWORD, USER, identifier, literal
from tests.integration.runner.test_content import RIGHTS, ROLE, ROOT, SECRET, documented, forget
from tests.integration.runner.world import World, assert_failed

from holdfast.contract.manifest import Manifest, ManifestNeed
from holdfast.contract.needs import NeedKind
from holdfast.contract.task import BackupTask

RESTORE_PAGE = (ROOT / "docs/how-to/restore.md").read_text()
FORMS = ["sql", "custom", "directory"]
AWKWARD = """
create schema tools;
create extension dblink schema tools;
create extension postgres_fdw;
create extension hstore;
create server elsewhere foreign data wrapper postgres_fdw options (host 'nowhere');
create schema app;
create table app.stock (id int primary key, n int, kept hstore);
insert into app.stock values (1, 5, 'a=>1');
create table parcels (id int primary key, city text) partition by range (id);
create table parcels_1 partition of parcels for values from (1) to (51) tablespace {space};
create table parcels_2 partition of parcels for values from (51) to (101);
insert into parcels select n, 'city ' || n % 7 from generate_series(1, 100) n;
create index parcels_city on parcels_2 (city) tablespace {space};
create table notes (id int primary key, owner text, body text);
insert into notes values (1, 'a', 'x');
create policy mine on notes for select to {role} using (owner = current_user);
comment on database {database} is 'the shop''s';
alter database {database} set search_path = app, "Odd one", public;
alter database {database} set timezone = 'Europe/Berlin';
alter role {role} in database {database} set work_mem = '8MB';
"""


def grant(world: World, database: str) -> None:
    """Give the docs' rights, from a database whose encoding has every character of the password."""
    world.db.sql("postgres", f"drop role if exists {ROLE}")
    world.db.sql("postgres", documented(RIGHTS).replace("DATABASE orders", f"DATABASE {identifier(database)}"))


def backed_up(world: World, database: str, form: str = "sql") -> tuple[BackupTask, list[str], list[str]]:
    """Back up as the docs say; return the task, what it warns of, and what it says of needs."""
    grant(world, database)
    task = world.backup(database, form)
    result = world.pod(task, database_secret=SECRET).run()
    forget(world, "postgres")
    world.assert_backed_up(task, result)
    assert result.report is not None
    assert result.report.backup is not None
    return task, list(result.report.warnings), list(result.report.backup.needs)


def make_target(world: World, database: str) -> None:
    """Make an empty target as the docs have it, for the user who restores."""
    (made,) = re.findall(r"^CREATE DATABASE .*;$", RESTORE_PAGE, re.MULTILINE)
    world.db.sql("postgres", made.replace("orders_owner", USER).replace("orders", identifier(database)))


def needs_of(manifest: Manifest, kind: NeedKind) -> list[ManifestNeed]:
    return [need for need in manifest.needs or [] if need.is_of(kind)]


@pytest.fixture(params=FORMS)
def awkward(world: World, request: pytest.FixtureRequest) -> Iterator[tuple[str, str, str]]:
    """A database with all of it: its form, its name, and the role and tablespace that are of its server."""
    form = request.param
    database, role = f"awkward {form}", f"Reader of {form}"
    folder = f"/var/lib/postgresql/fast_{form}"
    docker("exec", world.db.name, "install", "-d", "-o", "postgres", folder)
    world.db.sql("postgres", f"create role {identifier(role)}")
    world.db.sql("postgres", f"create tablespace fast_{form} location '{folder}'")
    world.db.create(database)
    words = {"space": f"fast_{form}", "role": identifier(role), "database": identifier(database)}
    world.db.sql(database, AWKWARD.format(**words))
    yield form, database, role
    world.db.sql("postgres", f"drop database if exists {identifier(database)}")
    world.db.sql("postgres", f"drop role if exists {identifier(role)}")


def test_what_a_dump_does_not_hold_is_recorded_asked_for_and_restored_once_the_remedy_was_run(
    world: World, awkward: tuple[str, str, str]
) -> None:
    form, database, role = awkward
    task, warnings, needs = backed_up(world, database, form)

    assert [warning for warning in warnings if f"tablespace fast_{form}" in warning]
    assert needs[0].startswith("the encoding UTF8 must exist before a restore: CREATE DATABASE")
    assert any(f'CREATE ROLE "{role}"' in sentence for sentence in needs)
    assert any('CREATE EXTENSION "dblink" SCHEMA "tools"' in sentence for sentence in needs)
    assert not any("hstore" in sentence for sentence in needs), "whoever owns the target may make it"
    manifest = world.manifest(task)
    (dblink,) = (need for need in needs_of(manifest, NeedKind.EXTENSION) if need.name == "dblink")
    assert (dblink.of, dblink.required) == ("tools", True)
    assert re.fullmatch(r"[0-9.]+, not trusted, owned by postgres", dblink.value or "")

    world.db.sql("postgres", f"drop database {identifier(database)}")
    world.db.sql("postgres", f"drop tablespace fast_{form}")
    world.db.sql("postgres", f"drop role {identifier(role)}")
    make_target(world, database)

    refused = world.pod(world.restore(task, database)).run()
    assert_failed(refused, 1, "TargetNotReady", "nothing was changed")
    assert world.db.sql(database, "select count(*) from pg_class where relname in ('notes', 'stock')") == "0\n"
    run = re.search(r"connect to the target: (.*); then restore again", refused.failure.remedy)
    assert run is not None
    world.db.sql(database, run[1].replace("the_restoring_user", USER))
    restored = world.pod(world.restore(task, database)).run()
    assert restored.exit_code == 0, restored.log
    assert restored.report is not None
    assert world.db.sql(database, "select count(*) from parcels; select kept from app.stock") == '100\n"a"=>"1"\n'
    assert world.db.sql(database, "select count(*) from pg_indexes where indexname = 'parcels_city'") == "1\n"
    assert world.db.sql(database, "select roles from pg_policies") == f'{{"{role}"}}\n'

    told = [warning for warning in restored.report.warnings if " is not in the dump: " in warning]
    world.db.sql(database, ";".join(warning.partition(" is not in the dump: ")[2] for warning in told))
    assert world.db.sql(database, "show search_path; show timezone") == 'app, "Odd one", public\nEurope/Berlin\n'
    comment = "select shobj_description(oid, 'pg_database') from pg_database where datname = current_database()"
    assert world.db.sql(database, comment) == "the shop's\n"
    ours = "setdatabase = (select oid from pg_database where datname = current_database())"
    again = world.db.sql(database, f"select unnest(setconfig) from pg_db_role_setting where setrole <> 0 and {ours}")
    assert again == "work_mem=8MB\n"


# Every encoding that a database may have; the everyday cut has one without rules, one of single bytes, two of several.
ENCODINGS = [
    "UTF8", "SQL_ASCII", "EUC_CN", "EUC_JP", "EUC_JIS_2004", "EUC_KR", "EUC_TW", "ISO_8859_5", "ISO_8859_6",
    "ISO_8859_7", "ISO_8859_8", "KOI8R", "KOI8U", "LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7",
    "LATIN8", "LATIN9", "LATIN10", "MULE_INTERNAL", "WIN866", "WIN874", "WIN1250", "WIN1251", "WIN1252", "WIN1253",
    "WIN1254", "WIN1255", "WIN1256", "WIN1257", "WIN1258",
]  # fmt: skip
EVERYDAY = {"SQL_ASCII", "LATIN1", "EUC_JP", "MULE_INTERNAL"}
# Each text of one byte, and of two with the first above 127, that the encoding has; and all bytes as such.
EVERY_BYTE = """
create table bytes (b bytea);
insert into bytes select decode(lpad(to_hex(n), 2, '0'), 'hex') from generate_series(0, 255) n;
create table texts (v text);
do $$
declare pair bytea;
begin
  for one in 1..255 loop
    begin insert into texts values (convert_from(decode(lpad(to_hex(one), 2, '0'), 'hex'), getdatabaseencoding()));
    exception when others then null; end;
    continue when one < 128 or pg_encoding_max_length(pg_char_to_encoding(getdatabaseencoding())) = 1;
    for two in 64..255 loop
      begin
        pair := decode(lpad(to_hex(one), 2, '0') || lpad(to_hex(two), 2, '0'), 'hex');
        insert into texts values (convert_from(pair, getdatabaseencoding()));
      exception when others then null; end;
    end loop;
  end loop;
end $$;
"""
FOUND = """
select count(*), md5(string_agg(b, '' order by b)) from bytes;
select count(*), md5(string_agg(convert_to(v, getdatabaseencoding()), '' order by convert_to(v, getdatabaseencoding())))
from texts;
"""


@pytest.mark.parametrize(
    "encoding", [pytest.param(it, marks=[] if it in EVERYDAY else [pytest.mark.matrix]) for it in ENCODINGS]
)
def test_every_byte_comes_back_through_every_encoding_and_once_more(world: World, encoding: str) -> None:
    names = [f"bytes {encoding} {number}" for number in range(3)]
    made = f"owner {USER} template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'"
    world.db.sql("postgres", f"create database {identifier(names[0])} {made}")
    world.db.sql(names[0], EVERY_BYTE, USER)
    before = world.db.sql(names[0], FOUND)
    assert int(before.split("|")[0]) == 256
    rounds = 2 if encoding in EVERYDAY else 1
    for source, target in list(itertools.pairwise(names))[:rounds]:
        task, warnings, needs = backed_up(world, source)
        assert warnings == []
        statement = needs[0].partition(": ")[2]
        assert f"ENCODING '{encoding}'" in statement
        world.db.sql("postgres", statement.replace(identifier(source), identifier(target), 1))
        world.db.sql("postgres", f"alter database {identifier(target)} owner to {USER}")
        restored = world.pod(world.restore(task, target)).run()
        assert restored.exit_code == 0, restored.log
        assert world.db.sql(target, FOUND) == before


def test_a_target_with_another_encoding_is_refused_with_the_statement_that_fits(world: World) -> None:
    made = f"owner {USER} template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'"
    world.db.sql("postgres", f"create database old {made}")
    world.db.sql("old", r"create table t (v text); insert into t values (E'caf\xe9')", USER)
    task, _, _ = backed_up(world, "old")
    make_target(world, "old again")
    refused = world.pod(world.restore(task, "old again")).run()
    assert_failed(refused, 1, "TargetNotReady", "the encoding SQL_ASCII", "UTF8")
    run = re.search(r"CREATE DATABASE .*?(?=; then restore again)", refused.failure.remedy)
    assert run is not None
    world.db.sql("postgres", 'drop database "old again"')
    world.db.sql("postgres", run[0])
    world.db.sql("postgres", f'alter database "old again" owner to {USER}')
    restored = world.pod(world.restore(task, "old again")).run()
    assert restored.exit_code == 0, restored.log
    assert world.db.sql("old again", "select convert_to(v, 'SQL_ASCII') from t") == "\\x636166e9\n"


@pytest.mark.parametrize("form", FORMS)
def test_limits_of_a_session_end_neither_a_backup_nor_a_restore(world: World, form: str) -> None:
    source, target, role = f"limited {form}", f"limited {form} again", f"limited_{form}"
    world.db.sql("postgres", f"create role {role} login password {literal(PASSWORD)}")
    limits = {
        "statement_timeout": "500ms", "lock_timeout": "500ms", "idle_in_transaction_session_timeout": "500ms",
        "idle_session_timeout": "500ms", "transaction_timeout": "500ms",
    }  # fmt: skip
    for name in (source, target):
        world.db.sql("postgres", f"create database {identifier(name)} owner {role} template template0")
    slow = "create materialized view slow as select 1 as one from pg_sleep(1)"
    world.db.sql(source, f"create table t (a text[]); insert into t values ('{{NULL}}'); {slow}", role)
    for name, value in limits.items():
        world.db.sql("postgres", f"alter role {role} set {name} = '{value}'")
    world.db.sql(
        "postgres", f"alter role {role} set default_transaction_read_only = on; alter role {role} set array_nulls = off"
    )
    secret = {"username": role, "password": PASSWORD}
    task = world.backup(source, form)
    world.assert_backed_up(task, world.pod(task, database_secret=secret).run())
    restored = world.pod(world.restore(task, target), database_secret=secret).run()
    assert restored.exit_code == 0, restored.log
    assert world.db.sql(target, "select a[1] is null from t; select one from slow") == "t\n1\n"


LOSING = """
create table allowed (name text primary key, rate int);
insert into allowed values ('a', 1);
create function is_rate(text) returns boolean stable language sql
  as 'select exists (select from allowed where name = $1)';
create function tidy(text) returns text immutable language sql as 'select lower($1)';
create table orders (rate text check (is_rate(rate)), who text);
create index orders_who on orders (tidy(who));
insert into orders values ('a', 'X'), ('a', 'x');
create function factor(int) returns int immutable language sql as 'select $1 * 2';
create function twice(int) returns int immutable language plpgsql as 'begin return factor($1); end';
create function shown(int) returns int immutable language plpgsql as 'begin return factor($1); end';
create table sums (i int, double int generated always as (twice(i)) stored);
create index sums_shown on sums (shown(i));
insert into sums values (1);
create table payments (orders_rate text);
alter table payments add constraint paid foreign key (orders_rate) references allowed (name) not valid;
"""


def test_what_a_dump_loses_and_what_a_restore_stumbles_over_is_warned_of_once_by_name(world: World) -> None:
    world.db.create("losing")
    world.db.sql("losing", LOSING, USER)
    broken = "create unique index concurrently broken on orders (rate)"
    docker("exec", world.db.name, "psql", "-U", USER, "-d", "losing", "-c", broken, check=False)
    task, warnings, _ = backed_up(world, "losing")

    indexes, constraints, functions = warnings
    assert "indexes that are not valid, so REINDEX or drop them: public.broken" in indexes
    assert "a restore does not check them either: paid of payments" in constraints
    assert "the check orders_rate_check calls public.is_rate, which names allowed" in functions
    assert "the index sums_shown calls public.shown, which names factor" in functions
    assert "calls public.twice, which names factor" in functions, "a column that is generated"
    assert "tidy" not in functions

    make_target(world, "losing again")
    failed = world.pod(world.restore(task, "losing again")).run()
    assert_failed(failed, 7, "RestoreFailed", 'relation "allowed" does not exist')
    assert "search_path" in failed.failure.remedy

    mending = [f"alter function {name} set search_path = public" for name in ("is_rate", "twice", "shown")]
    world.db.sql("losing", "; ".join([*mending, "drop index broken"]), USER)
    mended, warnings, _ = backed_up(world, "losing")
    assert len(warnings) == 1
    restored = world.pod(world.restore(mended, "losing again")).run()
    assert restored.exit_code == 0, restored.log


def test_what_only_a_superuser_may_make_is_refused_before_it_begins_to_anybody_else(world: World) -> None:
    world.db.create("for superusers")
    make = "create function watch() returns event_trigger language plpgsql as 'begin end'"
    world.db.sql(
        "for superusers", f"{make}; create event trigger watching on ddl_command_start execute function watch()"
    )
    task, _, needs = backed_up(world, "for superusers")
    assert any("superuser (event trigger watching)" in sentence for sentence in needs)
    make_target(world, "for superusers again")
    refused = world.pod(world.restore(task, "for superusers again")).run()
    assert_failed(refused, 1, "TargetNotReady", "event trigger watching")
    assert "superuser" in refused.failure.remedy

    key = f"{task.key_prefix}manifest.json"
    older = world.manifest(task).model_copy(update={"needs": None}).to_json()  # as versions before wrote it
    world.store.client.put_object(Bucket="backups", Key=key, Body=older)
    failed = world.pod(world.restore(task, "for superusers again")).run()
    assert_failed(failed, 7, "RestoreFailed", "permission denied to create event trigger")
    assert "only a superuser can restore" in failed.failure.remedy


@pytest.mark.matrix
def test_a_standby_is_backed_up_with_a_warning_that_names_its_unlogged_tables(world: World) -> None:
    world.db.create("unlogged")
    world.db.sql("unlogged", "create table kept (i int); create unlogged table lost as select 1 as one", USER)
    grant(world, "unlogged")
    folder, as_postgres = "/tmp/standby", ("exec", "--user", "postgres", world.db.name)
    docker(*as_postgres, "pg_basebackup", "-D", folder, "-R", "-X", "stream", "-c", "fast")
    start = ("pg_ctl", "start", "-w", "-D", folder, "-l", f"{folder}.log", "-o", "-p 5433 -c listen_addresses=*")
    docker(*as_postgres, *start)
    try:
        task = world.backup("unlogged", connection={"port": 5433})
        result = world.pod(task, database_secret=SECRET).run()
    finally:
        docker(*as_postgres, "pg_ctl", "stop", "-m", "immediate", "-D", folder)
        forget(world, "postgres")
    world.assert_backed_up(task, result)
    assert result.report is not None
    (warning,) = result.report.warnings
    assert warning.endswith("the rows of its unlogged tables are not in the dump: public.lost")
    assert [table.name for table in world.manifest(task).tables or []] == ["public.kept"]


VIEWS = """
create table goods (kind varchar(10) check (kind in ('a', 'b')), price numeric, sold date);
insert into goods values ('a', 1, '2026-01-01');
create view seen as select kind, sum(price) as whole from goods where kind in ('a', 'b') or kind like 'c%' group by 1;
create function price_of(k text) returns numeric stable language sql
  begin atomic select sum(price) from goods where kind = k; end;
create view told as select g.*, price_of(kind) from goods g join lateral (select kind in ('a') as is_a) x on true;
"""


def test_the_server_words_a_restored_schema_anew_so_its_hash_is_another_and_no_restore_compares_it(
    world: World,
) -> None:
    world.db.create("hashed once")
    world.db.sql("hashed once", VIEWS, USER)
    first, _, _ = backed_up(world, "hashed once")
    make_target(world, "hashed twice")
    result = world.pod(world.restore(first, "hashed twice")).run()
    assert result.exit_code == 0
    assert result.report is not None
    assert result.report.restore is not None
    assert "schema" not in result.report.restore.compared
    task = world.backup("hashed twice", verification="readback")
    world.assert_backed_up(task, world.pod(task).run())
    before, after = world.manifest(first), world.manifest(task)
    assert (before.tables, before.rows) == (after.tables, after.rows)
    assert after.verification.compared is not None
    assert "schema" in after.verification.compared
    assert before.schema_sha256 != after.schema_sha256
