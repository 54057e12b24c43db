"""Migration tools are known by their tables, each by its own and by no other's; their rows are understood."""

import pytest

from holdfast.runner.engines import migrations

# Each tool's table as the tool makes it: all columns, in its order.
PRISMA = ("_prisma_migrations", ["id", "checksum", "finished_at", "migration_name", "logs", "rolled_back_at",
                                 "started_at", "applied_steps_count"])  # fmt: skip
DJANGO = ("django_migrations", ["id", "app", "name", "applied"])
RAILS = ("schema_migrations", ["version"])
RAILS_TOO = ("ar_internal_metadata", ["key", "value", "created_at", "updated_at"])
FLYWAY = ("flyway_schema_history", ["installed_rank", "version", "description", "type", "script", "checksum",
                                    "installed_by", "installed_on", "execution_time", "success"])  # fmt: skip
LIQUIBASE = ("databasechangelog", ["id", "author", "filename", "dateexecuted", "orderexecuted", "exectype", "md5sum",
                                   "description", "comments", "tag", "liquibase", "contexts", "labels",
                                   "deployment_id"])  # fmt: skip
LIQUIBASE_LOCK = ("databasechangeloglock", ["id", "locked", "lockgranted", "lockedby"])
ALEMBIC = ("alembic_version", ["version_num"])
GOLANG_MIGRATE = ("schema_migrations", ["version", "dirty"])
GOOSE = ("goose_db_version", ["id", "version_id", "is_applied", "tstamp"])
KNEX = ("knex_migrations", ["id", "name", "batch", "migration_time"])
KNEX_LOCK = ("knex_migrations_lock", ["index", "is_locked"])
TYPEORM = ("migrations", ["id", "timestamp", "name"])
EF_CORE = ("__EFMigrationsHistory", ["MigrationId", "ProductVersion"])
EF_CORE_SNAKE = ("__EFMigrationsHistory", ["migration_id", "product_version"])

TOOLS = {
    "Prisma": [PRISMA],
    "Django": [DJANGO],
    "Rails": [RAILS],
    "Flyway": [FLYWAY],
    "Liquibase": [LIQUIBASE, LIQUIBASE_LOCK],
    "Alembic": [ALEMBIC],
    "golang-migrate": [GOLANG_MIGRATE],
    "goose": [GOOSE],
    "Knex": [KNEX, KNEX_LOCK],
    "TypeORM": [TYPEORM],
    "EF Core": [EF_CORE],
}


def there(*tables, schema="public"):
    return {(schema, name): columns for name, columns in tables}


def found(*tables):
    return [each.tool.name for each in migrations.find(there(*tables))]


@pytest.mark.parametrize(("tool", "tables"), TOOLS.items(), ids=TOOLS.keys())
def test_each_tool_is_known_by_its_table(tool, tables):
    assert found(*tables) == [tool]
    assert {name.lower() for name, _ in tables} <= set(migrations.tables())


def test_every_tool_has_a_case_here():
    assert {tool.name for tool in migrations.TOOLS} == set(TOOLS)


def test_a_table_in_upper_case_and_the_snake_case_convention_are_known_too():
    upper = (LIQUIBASE[0].upper(), [column.upper() for column in LIQUIBASE[1]])
    assert found(upper) == ["Liquibase"]
    assert migrations.find(there(upper))[0].history.columns == ("FILENAME", "ID", "AUTHOR", "EXECTYPE")
    assert found(EF_CORE_SNAKE) == ["EF Core"]


def test_rails_is_known_with_and_without_the_table_that_it_has_since_version_5():
    assert found(RAILS) == found(RAILS, RAILS_TOO) == ["Rails"]


STRANGERS = {
    "Ecto's schema_migrations": [("schema_migrations", ["version", "inserted_at"]), RAILS_TOO],
    "Laravel's migrations": [("migrations", ["id", "migration", "batch"])],
    "a table of one's own named migrations": [("migrations", ["id", "timestamp", "name", "note"])],
    "a table named like Django's": [("django_migrations", ["id", "text"])],
    "a lock without a history": [KNEX_LOCK],
}


@pytest.mark.parametrize("tables", STRANGERS.values(), ids=STRANGERS.keys())
def test_what_only_has_the_name_is_not_taken_for_it(tables):
    assert found(*tables) == []


ROWS = {
    "Prisma": (
        [("1_init", "2026", None), ("2_orders", None, "2026"), ("2_orders", "2026", None), ("3_bad", None, None)],
        (["1_init", "2_orders"], ["3_bad"], 2, "2_orders"),
    ),
    "Django": (
        [("auth", "0001_initial"), ("shop", "0001_initial"), ("shop", "0002_total")],
        (["auth.0001_initial", "shop.0001_initial", "shop.0002_total"], [], 3, "shop.0002_total"),
    ),
    "Rails": (
        [("20260101000000",), ("20260201000000",), ("9",)],
        (["9", "20260101000000", "20260201000000"], [], 3, "20260201000000"),
    ),
    "Flyway": (
        [(None, "<< Flyway Schema Creation >>", "SCHEMA", True), ("1", "init", "SQL", True),
         ("2", "orders", "SQL", True), ("2", "orders", "UNDO_SQL", True), (None, "views", "SQL", True),
         (None, "views", "SQL", True), ("3", "bad", "SQL", False)],
        (["1 init", "views"], ["3 bad"], 2, "views"),
    ),
    "Flyway, repaired": (
        [("1", "init", "SQL", 1), ("2", "gone", "SQL", 0), ("2", "gone", "DELETE", 1), ("3", "next", "JDBC", 1)],
        (["1 init", "3 next"], [], 2, "3 next"),
    ),
    "Liquibase": (
        [("db/1.xml", "1", "ann", "EXECUTED"), ("db/1.xml", "2", "bob", "RERAN"), ("db/1.xml", "3", "bob", "MARK_RAN"),
         ("db/2.xml", "4", "bob", "FAILED"), ("db/2.xml", "5", "bob", "SKIPPED")],
        (["db/1.xml::1::ann", "db/1.xml::2::bob", "db/1.xml::3::bob"], ["db/2.xml::4::bob"], 3, "db/1.xml::3::bob"),
    ),
    "Alembic": ([("2fa1c3",), ("9b7e01",)], (["2fa1c3", "9b7e01"], [], None, "2fa1c3, 9b7e01")),
    "golang-migrate": ([(42, False)], (["42"], [], None, "42")),
    "golang-migrate, dirty": ([(43, True)], ([], ["43"], None, None)),
    "goose": (
        [(0, True), (1, True), (2, True), (2, False), (3, True), (1, False), (1, True)],
        (["3", "1"], [], 2, "1"),
    ),
    "Knex": ([("001_init.js",), ("002_orders.js",)], (["001_init.js", "002_orders.js"], [], 2, "002_orders.js")),
    "TypeORM": ([(1, 17, "Init17"), (2, 18, "Orders18")], (["Init17", "Orders18"], [], 2, "Orders18")),
    "EF Core": ([("20260101_Init",), ("20260201_Orders",)],
                (["20260101_Init", "20260201_Orders"], [], 2, "20260201_Orders")),
}  # fmt: skip


@pytest.mark.parametrize(("case", "rows", "said"), [(name, *case) for name, case in ROWS.items()], ids=ROWS.keys())
def test_the_rows_of_each_tool_are_understood(case, rows, said):
    tool = case.partition(",")[0]
    (one,) = migrations.find(there(*TOOLS[tool]))
    read = migrations.history(one, rows, [])
    assert (read.applied, read.failed, read.applied_count, read.last) == said
    assert (read.tool, read.table, read.locked) == (tool, f"public.{TOOLS[tool][0][0]}", False)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_history_without_a_row_is_one_of_nothing(tool):
    (one,) = migrations.find(there(*TOOLS[tool]))
    read = migrations.history(one, [], [])
    assert (read.applied, read.failed, read.last) == ([], [], None)


@pytest.mark.parametrize("tool", ["Liquibase", "Knex"])
@pytest.mark.parametrize(("value", "held"), [(True, True), (1, True), (False, False), (0, False)])
def test_a_lock_that_is_held_is_told(tool, value, held):
    (one,) = migrations.find(there(*TOOLS[tool]))
    assert one.lock is not None
    read = migrations.history(one, [], [(value,)])
    assert read.locked is held
    assert bool(migrations.warnings([read])) is held


def test_a_failed_migration_is_warned_of():
    (one,) = migrations.find(there(*TOOLS["Prisma"]))
    read = migrations.history(one, [("3_bad", None, None), ("4_bad", None, None)], [])
    (warning,) = migrations.warnings([read])
    assert "Prisma records 3_bad and 1 more as failed" in warning
    assert "public._prisma_migrations" in warning


def test_of_several_histories_the_longest_comes_first():
    both = migrations.find(there(DJANGO) | there(ALEMBIC, schema="other") | there(DJANGO, schema="tenant"))
    assert [each.name for each in both] == [
        "other.alembic_version", "public.django_migrations", "tenant.django_migrations",
    ]  # fmt: skip
    rows = [[("2fa1c3",)], [("a", "1")], [("a", "1"), ("a", "2")]]
    read = [migrations.history(each, those, []) for each, those in zip(both, rows, strict=True)]
    assert [each.table for each in migrations.longest_first(read)] == [
        "tenant.django_migrations", "other.alembic_version", "public.django_migrations",
    ]  # fmt: skip


def answered(question):
    """A database with Django's and Alembic's tables, of which the latter cannot be read."""
    if question.table == "alembic_version":
        raise ValueError("permission denied\nfor table alembic_version")
    return [("shop", "0001_initial")]


def test_a_history_that_cannot_be_read_is_a_warning_and_the_others_are_read():
    read, warnings = migrations.read(there(ALEMBIC, DJANGO), answered, (ValueError,))
    assert [each.applied for each in read] == [["shop.0001_initial"]]
    assert warnings == [
        "the migrations in public.alembic_version could not be read: permission denied for table alembic_version"
    ]


def test_a_failure_of_another_kind_is_not_passed_over():
    with pytest.raises(ValueError, match="denied"):
        migrations.read(there(ALEMBIC), answered, (OSError,))


def test_only_so_many_histories_and_rows_are_read():
    tables = {(f"tenant{number:02}", "django_migrations"): DJANGO[1] for number in range(25)}
    read, warnings = migrations.read(tables, answered, ())
    assert (len(read), warnings) == (20, ["25 tables of migration tools were found, and only 20 were read"])
    many = [("shop", str(number)) for number in range(migrations.MAX_ROWS + 1)]
    read, warnings = migrations.read(there(DJANGO), lambda _: many, (ValueError,))
    assert (read, len(warnings)) == ([], 1)
    assert "more than 20000 rows" in warnings[0]
