"""What a manifest says of a dump's contents is what the server itself says: every table, every row, in every format."""

import json

import pytest
from tests.integration.runner.servers import Postgres
from tests.integration.runner.world import World

from holdfast.contract.manifest import Manifest

NASTY = r"""
set check_function_bodies = off;
create table plain as select i, md5(i::text) from generate_series(1, 25000) i;
create table empty (i int);
create table "no column" ();
insert into "no column" default values; insert into "no column" default values;
create schema "Other ""one"".";
create table "Other ""one""."."select; -- '
COPY public.t (i) FROM stdin;
" ("a;
\." int, b text);
insert into "Other ""one""."."select; -- '
COPY public.t (i) FROM stdin;
" values (1, null), (2, E'\\.\n\\.\n'), (3, E'\nCOPY public.t (i) FROM stdin;\n1\n'), (4, ''),
  (5, E'it''s "\\N"');
create table parts (i int) partition by range (i);
create table "part 1" partition of parts for values from (0) to (10);
create table "part 2" partition of parts for values from (10) to (20);
insert into parts select generate_series(3, 15);
create unlogged table unlogged as select 1 as one;
create function trap() returns void language plpgsql as $trap$
begin
COPY public.t (i) FROM stdin;
1
-- ' " $$
end $trap$;
comment on function trap() is E'a \\ and\nCOPY public.t (i) FROM stdin;\n1\n''';
create view seen as select i as "a$1", E'\\''' as b from plain;
create materialized view kept as select count(*) from plain;
create table wide (t text);
insert into wide select string_agg(repeat(chr(65 + i % 26), 1000), E'\n') from generate_series(1, 4000) i;
select lo_from_bytea(0, convert_to(E'''\nCOPY public.t (i) FROM stdin;\n', 'UTF8')
  || decode(repeat('00ff27', 20000), 'hex'));
"""


def counted_by(db: Postgres, database: str) -> dict[str, int]:
    """Count the rows of every table as the server's own count(*) does; a name as SQL quotes it."""
    counting = "query_to_xml(format('select count(*) as c from %I.%I', nspname, relname), false, true, '')"
    tables = db.sql(
        database,
        "select json_build_object('name', format('%I.%I', nspname, relname), "
        f"'rows', (xpath('/row/c/text()', {counting}))[1]::text::int) "
        "from pg_class c join pg_namespace n on n.oid = relnamespace "
        "where relkind = 'r' and nspname !~ '^pg_' and nspname <> 'information_schema'",
    )
    return {row["name"]: row["rows"] for row in map(json.loads, tables.splitlines())}


def backed_up(world: World, database: str, form: str = "sql") -> Manifest:
    task = world.backup(database, form)
    result = world.pod(task).run()
    world.assert_backed_up(task, result)
    manifest = world.manifest(task)
    assert result.report is not None
    assert result.report.backup is not None
    assert result.report.warnings == []
    said = result.report.backup
    assert (said.tables, said.rows) == (len(manifest.tables or []), manifest.rows)
    assert said.schema_sha256 == manifest.schema_sha256
    return manifest


@pytest.fixture(scope="module")
def nasty(world: World) -> str:
    name = "nasty contents"
    world.db.create(name)
    world.db.sql(name, NASTY, "holdfast")
    return name


def test_every_row_of_every_table_is_counted_alike_in_every_format(world: World, nasty: str) -> None:
    manifests = {form: backed_up(world, nasty, form) for form in ("sql", "custom", "directory")}
    for form, manifest in manifests.items():
        assert manifest.tables is not None
        assert {table.name: table.rows for table in manifest.tables} == counted_by(world.db, nasty), form
        assert len(manifest.tables) == 8
        assert manifest.rows == 25000 + 2 + 5 + 13 + 1 + 1
    assert len({manifest.schema_sha256 for manifest in manifests.values()}) == 1


def test_the_schemas_hash_changes_with_the_schema_and_with_nothing_else(world: World) -> None:
    world.db.create("hashed")
    world.db.sql("hashed", "create table t (id int generated always as identity, words text)", "holdfast")
    before = backed_up(world, "hashed")
    world.db.sql("hashed", "insert into t (words) values ('x'), ('y'); select lo_create(0)", "holdfast")
    more_rows = backed_up(world, "hashed")
    world.db.sql("hashed", "alter table t alter words set not null", "holdfast")
    altered = backed_up(world, "hashed")
    assert (before.rows, more_rows.rows, altered.rows) == (0, 2, 2)
    assert before.schema_sha256 == more_rows.schema_sha256
    assert altered.schema_sha256 != more_rows.schema_sha256
