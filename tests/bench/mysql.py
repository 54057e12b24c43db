"""MySQL and MariaDB: our runner beside the bare tool with the same flags, and beside what others do."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.bench.figures import Figure
from tests.bench.ours import DEADLINE, Ours, a_world
from tests.bench.tools import Shell, a_shell
from tests.bench.turns import GIGABYTES, in_turn, ratio, seconds
from tests.integration.runner.containers import remove, wait_for
from tests.integration.runner.mysql_server import MARIADB, MYSQL, Family, MySQLServer
from tests.integration.runner.servers import PASSWORD, USER
from tests.integration.runner.world import World

from holdfast.api.database import Engine, TLSMode
from holdfast.api.policy import Dump
from holdfast.contract.task import BackupTask
from holdfast.runner.engines.mysql.dumps import arguments
from holdfast.runner.engines.mysql.flavour import FLAVOURS
from holdfast.runner.engines.mysql.options import option_file

DATABASE = "shop"
GZIP, ZSTD = "Holdfast sql + gzip", "Holdfast sql + zstd"
# A server of some memory, and with no log of its changes: it is only filled and read.
SERVER = (
    "--innodb-buffer-pool-size=1G", "--skip-log-bin", "--loose-innodb-redo-log-capacity=1G",
    "--loose-innodb-log-file-size=1G", "--innodb-io-capacity=10000", "--innodb-io-capacity-max=20000",
)  # fmt: skip

# Rows of numbers, times and names; rows with text, some of it with what is escaped; and incompressible ones. Per GB.
_SAMPLE = """
create table digits (i int primary key);
insert into digits values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
create table customers (
  id int auto_increment primary key, name varchar(80) not null, email varchar(120), address varchar(200),
  credit decimal(12, 2), newsletter boolean not null, joined datetime(6) not null);
insert into customers (name, email, address, credit, newsletter, joined)
select concat(elt(floor(1 + rand(1) * 7), 'Zoë', 'Jürgen', 'Łukasz', 'Νίκος', '美咲', 'Siobhán', 'Emma'), ' ',
    elt(floor(1 + rand(2) * 6), 'Müller', 'O''Brien', 'Παπαδόπουλος', '佐藤', 'Dvořák', 'Smith')),
  concat('c', floor(rand(3) * 1e9), '@example.com'),
  concat(elt(floor(1 + rand(4) * 4), 'Hauptstraße', 'Rue de la Paix', 'Kungsgatan', 'Na Příkopě'), ' ',
    floor(rand(5) * 250), ', ', floor(10000 + rand(6) * 89999)),
  if(rand(7) < 0.2, round(rand(8) * 10000, 2), null), rand(9) < 0.3,
  timestampadd(microsecond, rand(10) * 86400e6, timestampadd(day, rand(11) * 2700, '2019-01-01'))
from {digits} limit {customers};
create table orders (
  id bigint auto_increment primary key, customer int not null, state enum('new', 'paid', 'sent', 'returned') not null,
  placed datetime not null, quantity int not null, net decimal(10, 2) not null, weight double, sku varchar(20) not null,
  note varchar(200), document text);
insert into orders (customer, state, placed, quantity, net, weight, sku, note, document)
select floor(rand(1) * 400000), 1 + floor(rand(2) * 4), timestampadd(second, rand(3) * 1e8, '2023-01-01'),
  1 + floor(rand(4) * 9), round(3 + rand(5) * 400, 2), rand(6) * 12, concat('SKU-', upper(left(sha2(rand(7), 256), 8))),
  if(rand(8) < 0.1, 'Please ring twice (não há campainha); it''s "flat 3"\\nthanks', null),
  concat('{{"colour": "', elt(floor(1 + rand(9) * 4), 'rouge', 'grün', '青', 'black'), '", "size": ',
    floor(rand(10) * 60), ', "batch": "', left(sha2(rand(11), 256), 32), '"}}')
from {digits} limit {orders};
create table pictures (id int auto_increment primary key, data blob not null);
insert into pictures (data)
select concat(random_bytes(1024), random_bytes(1024), random_bytes(1024), random_bytes(900)) from {digits}
limit {pictures};
drop table digits;
set global innodb_max_dirty_pages_pct = 0;
"""
_ROWS = {"customers": 400_000, "orders": 4_500_000, "pictures": 25_000}  # per GB
_DIRTY = "select variable_value from {}.global_status where variable_name = 'Innodb_buffer_pool_pages_dirty'"


def mysql(only: Sequence[str]) -> list[Figure]:
    """Measure MySQL."""
    return _measure(MYSQL, only)


def mariadb(only: Sequence[str]) -> list[Figure]:
    """Measure MariaDB."""
    return _measure(MARIADB, only)


def own(_only: Sequence[str]) -> list[Figure]:
    """Measure the processor time of Holdfast's own process, for MySQL and for MariaDB."""
    figures: list[Figure] = []
    for family in (MYSQL, MARIADB):
        with filled(family) as (_, server, shell):
            figures += shell.own(family.engine, bare_dump(server))
    return figures


@contextmanager
def filled(family: Family) -> Iterator[tuple[World, MySQLServer, Shell]]:
    """A server with the sample, and the tools beside it."""
    with a_world() as world:
        name = f"{world.network}-{family.engine}"
        try:
            server = MySQLServer(world.network, name, family, *SERVER)
            _fill(server)
            with a_shell(world, f"holdfast-bench-{family.engine}:latest", {}) as shell:
                shell(f"printf %s {shlex.quote(option_file(USER, PASSWORD))} > /tmp/client.cnf")
                yield world, server, shell
        finally:
            remove(name)


def _measure(family: Family, only: Sequence[str]) -> list[Figure]:
    with filled(family) as (world, server, shell):
        ours = Ours(world, family.dump)
        times = in_turn(_candidates(ours, shell, server), only)
    bare, *others = [name for name in times if "Holdfast" not in name] or [""]
    pairs = [
        (GZIP, bare, 1.3),
        (ZSTD, bare, 1.3),
        (f"readback of {GZIP}", GZIP, None),
        *((GZIP, other, 1) for other in others),
    ]
    ratios = [figure for pair in pairs for figure in ratio(family.engine, times, *pair)]
    return [*seconds(family.engine, times), *ratios, *ours.start()]


def _fill(server: MySQLServer) -> None:
    server.create(DATABASE)
    rows = {table: int(number * GIGABYTES) for table, number in _ROWS.items()}
    digits = ", ".join(f"digits d{number}" for number in range(8))
    server.sql(_SAMPLE.format(digits=digits, **rows), DATABASE)
    server.let_dump(DATABASE)
    schema = "performance_schema" if server.family is MYSQL else "information_schema"
    wait_for(lambda: int(server.sql(_DIRTY.format(schema))) < 100, "the server to have written its pages", 180)


def bare_dump(server: MySQLServer) -> str:
    """Return the dump tool's command, with the flags that our runner gives it; the connection is in the clear."""
    flavour = FLAVOURS[Engine(server.family.engine)]
    command = [
        flavour.dump, "--defaults-file=/tmp/client.cnf", f"--host={server.name}",
        "--default-character-set=utf8mb4", *flavour.tls[TLSMode.DISABLE], *flavour.connects, *arguments(flavour),
        DATABASE,
    ]  # fmt: skip
    return shlex.join(command)


def _candidates(ours: Ours, shell: Shell, server: MySQLServer) -> dict[str, Callable[[], float]]:
    aws, target, family, bare = shell.aws, shell.target, server.family, bare_dump(server)

    def holdfast(algorithm: str) -> Callable[[], float]:
        def task() -> BackupTask:
            dump = Dump.model_validate({"format": "sql", "compression": {"algorithm": algorithm}})
            made = server.backup(ours.world, DATABASE, tls={"mode": "disable"})
            return made.model_copy(update={"dump": dump, "deadline_seconds": DEADLINE})

        return ours.backup(task, image=family.runner)

    candidates = {
        f"{family.dump} > /dev/null": shell.timed(f"{bare} > /dev/null"),
        GZIP: holdfast("gzip"),
        f"readback of {GZIP}": lambda: ours.read_back(image=family.runner),
        ZSTD: holdfast("zstd"),
        f"{family.dump} | gzip | aws s3 cp -": shell.timed(f"{bare} | gzip | {aws} - {target}"),
        f"{family.dump} > file; gzip file; aws s3 cp file": shell.timed(
            f"{bare} > /tmp/one && gzip -f /tmp/one && {aws} /tmp/one.gz {target} && rm /tmp/one.gz"
        ),
    }
    if family is MYSQL:
        candidates["mydumper --compress; aws s3 cp --recursive"] = shell.timed(
            f"rm -rf /tmp/my && mydumper --host {server.name} --user root --password superuser --database {DATABASE} "
            f"--triggers --events --routines --trx-consistency-only --threads 4 --compress --outputdir /tmp/my && "
            f"test -s /tmp/my/{DATABASE}.orders.sql.gz && {aws} --recursive /tmp/my {target}-mydumper"
        )
    return candidates
