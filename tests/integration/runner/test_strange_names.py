"""Names and passwords that shells, URLs, pgpass files or Kubernetes would rewrite reach the database as they are."""

from urllib.parse import quote

import pytest
from tests.integration.runner.servers import PASSWORD, USER, identifier, literal
from tests.integration.runner.world import World, secrets_in

NAMES = [
    "with space", "a=b", "dbname=postgres host=evil", "postgres://x", "it's \"quoted\"", "$HOME $$ $(HOME) ${HOME}",
    "a&b;c*d", "100%20", r"back\sla\\sh", "co:lon", "ünïcödé 桜 🦊", "-dash",
]  # fmt: skip
FORMS = ["sql", "directory", "custom"]
# The everyday ones: a connection string, quotes, variables, UTF-8.
EVERYDAY = {NAMES[number] for number in (2, 4, 5, 10)}


@pytest.mark.parametrize(
    ("number", "name"),
    [
        pytest.param(number, name, id=name, marks=[] if name in EVERYDAY else [pytest.mark.matrix])
        for number, name in enumerate(NAMES)
    ],
)
def test_a_database_is_backed_up_and_restored_by_its_very_name(world: World, number: int, name: str) -> None:
    world.db.create(name)
    world.db.sql(name, f"create table who as select {literal(name)} as am_i", USER)
    task = world.backup(name, FORMS[number % 3])
    world.assert_backed_up(task, world.pod(task).run())
    assert world.manifest(task).database.name == name
    world.db.sql("postgres", f"drop database {identifier(name)}")
    world.db.create(name)
    restored = world.pod(world.restore(task, name)).run()
    assert restored.exit_code == 0, restored.log
    assert world.db.sql(name, "select am_i from who") == f"{name}\n"


PASSWORDS = ["a:b\\:c\\", "$$ $(HOME) $HOME", "sp ace ", "'\"`;", "100%25#?/@&=", "ünï🦊"]


@pytest.mark.parametrize(
    "password",
    [
        pytest.param(password, marks=[] if number % 2 else [pytest.mark.matrix])
        for number, password in enumerate(PASSWORDS)
    ],
)
def test_a_password_opens_the_database_whatever_is_in_it(world: World, password: str) -> None:
    role = f"role_{PASSWORDS.index(password)}"
    world.db.sql("postgres", f"create role {role} login in role {USER}, pg_read_all_data password {literal(password)}")
    task = world.backup()
    world.assert_backed_up(task, world.pod(task, database_secret={"username": role, "password": password}).run())


@pytest.mark.parametrize("key", ["url", "uri"])
def test_a_connection_url_is_decoded_and_the_policys_database_wins(world: World, key: str) -> None:
    url = f"postgresql://{USER}:{quote(PASSWORD, safe='')}@{world.db.name}:5432/postgres?sslmode=disable"
    task = world.backup(connection={"host": None, "port": None})
    pod = world.pod(task, database_secret={key: url})
    result = pod.run()
    world.assert_backed_up(task, result)
    assert world.manifest(task).database.host == world.db.name
    assert world.manifest(task).database.name == "shop"
    assert quote(PASSWORD, safe="") not in result.log


def test_keys_of_the_secret_may_have_other_names(world: World) -> None:
    keys = {"username": "DB_USER", "password": "db.pass-word"}
    task = world.backup(connection={"secretKeys": keys})
    secret = {"DB_USER": USER, "db.pass-word": PASSWORD}
    world.assert_backed_up(task, world.pod(task, database_secret=secret).run())


def test_no_process_has_a_secret_in_its_arguments_or_environment(world: World, big: str) -> None:
    task = world.backup(big)
    pod = world.pod(task).start()
    pod.wait_for_phase("dumping")
    world.db.pause()
    try:
        seen = pod.processes()
        environment = pod.exec(
            "tr '\\0' '\\n' < $(grep -lx pg_dump /proc/[0-9]*/comm | head -n 1 | sed s/comm/environ/)"
        )
        runner = pod.exec("cat /proc/1/environ 2>/dev/null || true")
    finally:
        world.db.unpause()
    assert "pg_dump" in seen
    assert "PGSERVICEFILE" in environment
    assert "HOLDFAST" not in environment
    assert runner == "", "what the runner was told, no other process of its user can read"
    assert secrets_in(seen) == []
    world.assert_backed_up(task, pod.result())


BREAKING_OUT = [
    'x"; drop table victim; --', "x\n\\! touch /scratch/broken-out\n", "x\n\\.\ndrop table victim;\n",
    "x\n--\n-- PostgreSQL database dump complete\n--\n", "x\nCOPY public.victim (a) FROM stdin;\n9\n\\.\n",
    "'; select 1 \\gexec",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_an_objects_name_does_not_break_out_of_the_dump_nor_mislead_who_counts(world: World, form: str) -> None:
    database = f"breaking_out_{form}"
    world.db.create(database)
    statements = ["create table victim (a int); insert into victim values (1), (2);"]
    for number, name in enumerate(BREAKING_OUT):
        table, text, unique = identifier(name), literal(name), identifier(f"{name}c")
        statements += [
            f"create table {table} ({table} text default {text}, constraint {unique} unique ({table}));",
            f"insert into {table} select {text} || i from generate_series(1, {number + 3}) i;",
            f"comment on table {table} is {text}; comment on column {table}.{table} is {text};",
            f"create function {identifier(name + 'f')}() returns text language sql as {literal('select ' + text)};",
        ]
    world.db.sql(database, "\n".join(statements), USER)
    task = world.backup(database, form)
    world.assert_backed_up(task, world.pod(task).run())
    manifest = world.manifest(task)
    assert (manifest.rows, len(manifest.tables or [])) == (2 + sum(range(3, 9)), 1 + len(BREAKING_OUT))
    before = world.db.fingerprint(database)
    world.db.sql("postgres", f"drop database {database}")
    world.db.create(database)
    restored = world.pod(world.restore(task, database)).run()
    assert restored.exit_code == 0, restored.log
    assert world.db.fingerprint(database) == before
    assert world.db.sql(database, "select a from victim order by a") == "1\n2\n"
