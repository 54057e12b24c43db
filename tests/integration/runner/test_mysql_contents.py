"""What a manifest says of a MySQL or MariaDB dump is what the server itself says: tables, rows, schema, migrations."""

from typing import Any

import pytest
from tests.integration.runner.mysql_server import MySQLServer, identifier, literal, unescaped
from tests.integration.runner.world import World

from holdfast.contract.manifest import Manifest

NASTY = r"""
create table plain (i int primary key auto_increment, words varchar(100));
insert into plain (words) values ('a'), ('b');
insert into plain (words) select a.words from plain a, plain b, plain c, plain d, plain e, plain f, plain g;
insert into plain (words) select concat(a.words, '(),''"`\\') from plain a, plain b limit 12000;
create table none (i int);
create table `it's; "odd" (1),(2)``
INSERT INTO ``plain`` VALUES (1);
x` (`a),(``;
x` int, b text);
insert into `it's; "odd" (1),(2)``
INSERT INTO ``plain`` VALUES (1);
x` values (1, null), (2, '),('), (3, '\');\nINSERT INTO `plain` VALUES (1);\n'), (4, ''),
  (5, '\0\n\r\\''"\Z\\'), (6, '''');
create table made (a int, b int as (a + 1) stored, c int as (a + 2) virtual, j json, t text);
insert into made (a, j, t) values (1, '{"k": "(),(''"}', repeat('),(', 1000)), (2, '[]', ';');
create table bytes (b varbinary(300), g point, bits bit(7), d decimal(20, 3), f double, l longblob);
insert into bytes values (0x27292c2827, point(1, 2), b'101', -1.5, 1e300, repeat(0x27, 3000000)),
  ('', null, null, null, null, '');
create table parts (i int) partition by range (i)
  (partition a values less than (10), partition b values less than maxvalue);
insert into parts values (1), (11), (12);
create table old (i int) engine = MyISAM;
insert into old values (1), (2);
create view seen as select i as `a(1),(2)`, '\';\nINSERT INTO `plain` VALUES (1);' as b from plain;
"""
# A session of the client's, since a body is in what only a delimiter ends.
BODIES = r"""
delimiter ;;
create trigger before_plain before insert on plain for each row begin
  -- it's (1),(2);
  set new.words = 'INSERT INTO `plain` VALUES (1);
INSERT INTO `plain` VALUES (1),(2);
';
end;;
create procedure p() begin
/*
INSERT INTO `plain` VALUES (1);
*/
INSERT INTO `plain` VALUES (1, 'x');
end;;
set sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES';;
create procedure q() begin
  select '\', "i" from "plain" where words = '
INSERT INTO `plain` VALUES (1);
';
end;;
set sql_mode = default;;
create event e on schedule every 1 day disable do insert into plain values (1, '\'(');;
delimiter ;
"""


def created(server: MySQLServer, database: str, script: str) -> str:
    server.create(database)
    server.let_dump(database)
    server.sql(script, database)
    return database


def backed_up(world: World, server: MySQLServer, database: str) -> tuple[Manifest, list[str]]:
    task = server.backup(world, database)
    result = world.pod(task, image=server.family.runner).run()
    world.assert_backed_up(task, result)
    manifest = world.manifest(task)
    assert result.report is not None
    said = result.report.backup
    assert said is not None
    assert (said.tables, said.rows) == (len(manifest.tables or []), manifest.rows)
    assert said.schema_sha256 == manifest.schema_sha256
    return manifest, result.report.warnings


def counted_by(server: MySQLServer, database: str) -> dict[str, int]:
    """Count the rows of every table as the server's own count(*) does."""
    listed = server.sql(
        "select table_name, if(table_type = 'SYSTEM VERSIONED', 'for system_time all', '') "
        f"from information_schema.tables where table_schema = {literal(database)} "
        "and table_type not in ('VIEW', 'SEQUENCE')"
    )
    tables = [[unescaped(value) for value in line.split("\t")] for line in listed.splitlines()]
    queries = [f"select count(*) from {identifier(name)} {history};\n" for name, history in tables]
    counts = server.sql("".join(queries), database).split()
    return {name: int(count) for (name, _), count in zip(tables, counts, strict=True)}


def test_every_row_of_every_table_is_counted(world: World, server: MySQLServer) -> None:
    database = created(server, "nasty contents", NASTY + BODIES)
    manifest, warnings = backed_up(world, server, database)
    assert [warning for warning in warnings if "not consistent" not in warning] == []
    assert {table.name: table.rows for table in manifest.tables or []} == counted_by(server, database)
    assert manifest.rows == 12130 + 0 + 6 + 2 + 2 + 3 + 2


@pytest.mark.matrix
def test_the_rows_of_the_sample_are_counted_too(world: World, server: MySQLServer) -> None:
    manifest, _ = backed_up(world, server, "shop")
    assert {table.name: table.rows for table in manifest.tables or []} == counted_by(server, "shop")


@pytest.mark.matrix
def test_the_schemas_hash_changes_with_the_schema_and_with_nothing_else(world: World, server: MySQLServer) -> None:
    database = created(server, "hashed", "create table t (id int auto_increment primary key, words text)")
    before, _ = backed_up(world, server, database)
    server.sql("insert into t (words) values ('x'), ('y')", database)
    more_rows, _ = backed_up(world, server, database)
    server.sql("alter table t modify words text not null", database)
    altered, _ = backed_up(world, server, database)
    assert (before.rows, more_rows.rows, altered.rows) == (0, 2, 2)
    assert before.schema_sha256 == more_rows.schema_sha256
    assert altered.schema_sha256 != more_rows.schema_sha256


# All but golang-migrate, whose table is called as Rails' is; types as each tool's documentation or source has them.
TABLES = r"""
create table _prisma_migrations (id varchar(36) primary key, checksum varchar(64) not null, finished_at datetime(3),
  migration_name varchar(255) not null, logs text, rolled_back_at datetime(3),
  started_at datetime(3) not null default current_timestamp(3), applied_steps_count int unsigned not null default 0);
insert into _prisma_migrations (id, checksum, migration_name, started_at, finished_at) values
  ('1', 'a', '20260101_init', '2026-01-01', '2026-01-01'), ('2', 'b', '20260201_bad', '2026-02-01', null);
create table django_migrations (id bigint auto_increment primary key, app varchar(255) not null,
  name varchar(255) not null, applied datetime(6) not null);
insert into django_migrations (app, name, applied)
  values ('auth', '0001_initial', now()), ('shop', '0001_initial', now()), ('shop', '0002_total', now());
create table schema_migrations (version varchar(255) not null primary key);
create table ar_internal_metadata (`key` varchar(255) not null primary key, value varchar(255),
  created_at datetime(6) not null, updated_at datetime(6) not null);
insert into schema_migrations values ('20260201000000'), ('20260101000000');
create table flyway_schema_history (installed_rank int primary key, version varchar(50),
  description varchar(200) not null,
  type varchar(20) not null, script varchar(1000) not null, checksum int, installed_by varchar(100) not null,
  installed_on timestamp not null default current_timestamp, execution_time int not null, success bool not null);
insert into flyway_schema_history values (1, '1', 'init', 'SQL', 'V1__init.sql', 7, 'x', now(), 3, true),
  (2, '2', 'orders', 'SQL', 'V2__orders.sql', 8, 'x', now(), 3, false);
create table DATABASECHANGELOG (ID varchar(255) not null, AUTHOR varchar(255) not null, FILENAME varchar(255) not null,
  DATEEXECUTED datetime not null, ORDEREXECUTED int not null, EXECTYPE varchar(10) not null, MD5SUM varchar(35));
create table DATABASECHANGELOGLOCK (ID int primary key, `LOCKED` bit(1) not null, LOCKGRANTED datetime,
  LOCKEDBY varchar(255));
insert into DATABASECHANGELOG values ('1', 'ann', 'db/1.xml', now(), 1, 'EXECUTED', 'x');
insert into DATABASECHANGELOGLOCK values (1, b'1', now(), 'somewhere');
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('2fa1c3');
create table goose_db_version (id serial primary key, version_id bigint not null, is_applied boolean not null,
  tstamp timestamp null default now());
insert into goose_db_version (version_id, is_applied) values (0, true), (1, true), (2, true), (2, false);
create table knex_migrations (id int unsigned auto_increment primary key, name varchar(255), batch int,
  migration_time timestamp null);
create table knex_migrations_lock (`index` int unsigned auto_increment primary key, is_locked int);
insert into knex_migrations (name, batch, migration_time) values ('001_init.js', 1, now());
insert into knex_migrations_lock (is_locked) values (0);
create table migrations (id int auto_increment primary key, `timestamp` bigint not null, name varchar(255) not null);
insert into migrations (`timestamp`, name) values (17, 'Init17');
create table `__EFMigrationsHistory` (`MigrationId` varchar(150) not null primary key,
  `ProductVersion` varchar(32) not null);
insert into `__EFMigrationsHistory` values ('20260101_Init', '9.0.0');
"""
DIRTY = """
create table schema_migrations (version bigint not null primary key, dirty boolean not null);
insert into schema_migrations values (43, true);
"""
Said = dict[str, tuple[int | None, str | None, list[str], bool]]


def said_of(manifest: Manifest) -> Said:
    found: list[Any] = manifest.migrations or []
    return {each.tool: (each.applied_count, each.last, each.failed, each.locked) for each in found}


def test_every_migration_tool_is_found_with_what_it_applied_and_what_failed(world: World, server: MySQLServer) -> None:
    manifest, warnings = backed_up(world, server, created(server, "migrated", TABLES))
    assert said_of(manifest) == {
        "Prisma": (1, "20260101_init", ["20260201_bad"], False),
        "Django": (3, "shop.0002_total", [], False),
        "Rails": (2, "20260201000000", [], False),
        "Flyway": (1, "1 init", ["2 orders"], False),
        "Liquibase": (1, "db/1.xml::1::ann", [], True),
        "Alembic": (None, "2fa1c3", [], False),
        "goose": (1, "1", [], False),
        "Knex": (1, "001_init.js", [], False),
        "TypeORM": (1, "Init17", [], False),
        "EF Core": (1, "20260101_Init", [], False),
    }
    assert sorted(warning.removeprefix("the lock of ").split(" ")[0] for warning in warnings) == [
        "Flyway", "Liquibase", "Prisma",
    ]  # fmt: skip


@pytest.mark.matrix
def test_a_dirty_version_of_golang_migrate_is_found(world: World, server: MySQLServer) -> None:
    manifest, warnings = backed_up(world, server, created(server, "dirty", DIRTY))
    assert said_of(manifest) == {"golang-migrate": (None, None, ["43"], False)}
    assert len(warnings) == 1
