"""Every byte that a server holds comes back, whatever its column's character set says of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.runner.mysql_server import MARIADB, MySQLServer
from tests.integration.runner.test_mysql_contents import created
from tests.integration.runner.test_mysql_round_trip import backed_up, restored
from tests.integration.runner.world import World

# of each kind: bytes without a character; two bytes for one character; halves of it; nothing missing
EVERYDAY = ("cp1251", "greek", "sjis", "ucs2", "latin1")
# Beyond each single byte: characters of several, their halves, and what looks like some and is none.
LONGER = (
    *("8140", "A1A1", "FEFE", "D800", "DC00D800", "0000D800", "0010FFFF", "00110000", "EDA080", "F09FA68A", "C0"),
    *("D83EDD8A", "D83E", "8EA1", "8FA1A1", "8030", "FE51", "81308130", "90308130", "84318236", "FFFF", "FFFE"),
    *("E38080", "5C27", "815C27"),
)
OTHERS = """
create table others (i int primary key, e enum('a', 'é', '梅') character set utf8mb4, s set('é', 'b') character set
  latin1, c enum('ж', 'a') character set cp1251, j json, d decimal(10, 3), at datetime(3), bits bit(5), `桜 %` text);
insert into others values (1, 'é', 'é,b', 'ж', '{"é": "🦊"}', 1.5, '2024-02-29 12:00:00.123', 5, '🦊'),
  (2, '梅', '', 'a', null, null, null, null, '\\\\''');
"""


def of(character_sets: tuple[str, ...], limit: int) -> str:
    """Return a script: each byte, and between two others, in each character set, as far as the server takes it."""
    hexes = [f"{byte:02X}" for byte in range(256)] + [f"41{byte:02X}42" for byte in range(256)] + [*LONGER]
    script = [OTHERS, "set session sql_mode = '';\n"]
    for name in character_sets[:limit]:
        script.append(
            f"create table of_{name} (i int primary key, v varchar(30) character set {name}, t text character set "
            f"{name}, c char(4) character set {name});\ninsert ignore into of_{name} values "
        )
        script.append(",".join(f"({at},0x{text},0x{text},0x{text})" for at, text in enumerate(hexes)) + ";\n")
    return "".join(script)


def held(server: MySQLServer, database: str, tables: list[str]) -> dict[str, str]:
    hexed = {name: f"select i, hex(v), hex(t), hex(c) from {name} order by i" for name in tables}
    return {name: server.sql(question, database) for name, question in hexed.items()} | {
        "others": server.sql("select i, hex(e), hex(s), hex(c), j, d, at, bits + 0, `桜 %` from others", database)
    }


def cases() -> Iterator[Any]:
    yield pytest.param(EVERYDAY, id="some character sets")
    yield pytest.param((), marks=pytest.mark.matrix, id="every character set")


@pytest.mark.parametrize("character_sets", list(cases()))
def test_all_bytes_of_every_character_set_come_back(
    world: World, server: MySQLServer, character_sets: tuple[str, ...]
) -> None:
    listed = "select character_set_name from information_schema.character_sets where character_set_name <> 'binary'"
    names = character_sets or tuple(server.sql(listed).split())
    database = created(server, f"bytes of {len(names)}", of(names, len(names)))
    task = server.backup(world, database)
    assert backed_up(world, server, task).report.warnings == []  # type: ignore[union-attr]

    result = restored(world, server, task, f"bytes of {len(names)} back")

    assert result.exit_code == 0, result.log
    tables = [f"of_{name}" for name in names]
    before, after = held(server, database, tables), held(server, f"bytes of {len(names)} back", tables)
    assert [name for name in before if before[name] != after[name]] == []
    assert len(before) == len(names) + 1
    assert "98" in before["of_cp1251"].split()


@pytest.mark.matrix
@pytest.mark.timeout(1200)  # some forty backups and restores
def test_all_bytes_come_back_of_each_character_set_that_is_dumped_as_text(world: World, server: MySQLServer) -> None:
    """One that others are with would be dumped as bytes for their sake; alone, it shows whether it needs that."""
    listed = "select character_set_name from information_schema.character_sets where character_set_name <> 'binary'"
    server.create("alone")
    server.let_dump("alone")
    server.let_restore("alone back")
    lost = []
    for name in server.sql(listed).split():
        server.drop("alone")
        server.create("alone")
        server.sql(of((name,), 1).replace(OTHERS, ""), "alone")
        server.sql(
            "create table others (i int, e int, s int, c int, j int, d int, at int, bits int, `桜 %` int)", "alone"
        )
        task = server.backup(world, "alone")
        backed_up(world, server, task)
        assert restored(world, server, task, "alone back").exit_code == 0
        before, after = (held(server, database, [f"of_{name}"]) for database in ("alone", "alone back"))
        lost += [name] if before != after else []
        server.drop("alone back")
    assert lost == []


def test_where_a_type_cannot_go_back_as_bytes_a_warning_names_the_columns(world: World, mariadb: MySQLServer) -> None:
    database = created(mariadb, "typed", "create table t (id uuid primary key, v varchar(9) character set cp1251)")
    mariadb.sql("insert into t values (uuid(), 0x98), ('6ccd780c-baba-1026-9564-5b8c656024db', 'a')", database)
    task = mariadb.backup(world, database)
    result = backed_up(world, mariadb, task)
    assert result.report is not None
    assert (
        "not exact: t.v (cp1251): a byte that the column's character set does not define" in result.report.warnings[0]
    )
    back = restored(world, mariadb, task, "typed back")
    assert back.exit_code == 0, back.log
    assert mariadb.sql("select count(*) from `typed back`.t b join typed.t a using (id)") == "2\n"
    assert task.database.engine == MARIADB.engine
