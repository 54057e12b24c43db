"""The faults of faults.py whose outcome depends on the engine, for MySQL and MariaDB.

A table that somebody holds locked has the dump stand still when its turn comes, so that nothing depends on speed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.integration.runner.containers import docker, wait_for
from tests.integration.runner.fault_servers import hostile
from tests.integration.runner.faults import EATS, Act, Fault, Run, Scene, running, stand_in
from tests.integration.runner.mysql_server import MARIADB, MYSQL, SOCKET, Family, MySQLServer
from tests.integration.runner.pod import Pod
from tests.integration.runner.servers import USER
from tests.integration.runner.world import World

DATABASE = "broken off"
CONNECTION = "select id from information_schema.processlist where user = '{}' and info like '{}'"
HOLDER = CONNECTION.format("root", "select sleep(300)%")
SILENCE = 3  # seconds, in place of five minutes, and of fifteen
NOISE = """
create table noise as
with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)
select a.i, b.i as j, repeat(sha2(concat(a.i, b.i), 256), 2) as words from n a, n b where b.i <= 200
"""  # 26 MB: more than all buffers on the way hold


@contextmanager
def mid_dump(server: MySQLServer, pod: Pod) -> Iterator[str]:
    """Hold the dump at its second table; the block runs meanwhile, with the number of its connection."""
    if DATABASE not in server.sql("show databases").splitlines():
        server.create(DATABASE)
        server.let_dump(DATABASE)
        server.sql("create table a as select 1 as one; create table b as select 2 as two", DATABASE)
    docker(
        "exec", "--detach", server.name, server.family.client, "--no-defaults", f"--socket={SOCKET}", "--user=root",
        f"--database={DATABASE}", "--execute=lock tables b write; select sleep(300)",
    )  # fmt: skip
    wait_for(lambda: server.sql(HOLDER).split(), "the lock")
    try:
        pod.start()
        yield wait_for(lambda: server.sql(CONNECTION.format(USER, "%`b`%")).split(), "a dump that waits")[0]
    finally:
        release(server)


def release(server: MySQLServer) -> None:
    """Let go of the table, unless the server has done so."""
    for holder in server.sql(HOLDER).split():
        server.sql(f"kill {holder}")


def killed(family: Family, signal: str) -> Act:
    """Kill the dump tool in the middle."""

    def act(scene: Scene) -> Run:
        server = scene.mysql(family.engine)
        task = server.backup(scene.world, DATABASE)
        pod = scene.world.pod(task, image=family.runner)
        with mid_dump(server, pod):
            seen = pod.processes()
            assert family.dump in seen
            pod.exec(f"kill -{signal} $(grep -lx {family.dump} /proc/[0-9]*/comm | cut -d/ -f3)")
            return Run(task, pod.result(), seen)

    return act


def told(family: Family, signal: str, **changes: Any) -> Act:
    """Send the Pod a signal in the middle of the dump; 0 is none, for a deadline that passes."""

    def act(scene: Scene) -> Run:
        server = scene.mysql(family.engine)
        task = server.backup(scene.world, DATABASE).model_copy(update=changes)
        pod = scene.world.pod(task, image=family.runner)
        with mid_dump(server, pod):
            wait_for(lambda: scene.world.store.uploads(task.key_prefix), "the upload's beginning")
            if signal:
                pod.kill(signal)
            return Run(task, pod.result())

    return act


def standing_in(family: Family, script: str, **changes: Any) -> Act:
    """Run another program in the dump tool's place; the real one is in /usr/bin."""

    def act(scene: Scene) -> Run:
        task = scene.mysql(family.engine).backup(scene.world)
        options = stand_in(scene.world, family.dump, script)
        return Run(task, scene.world.pod(task, image=family.runner, options=options, **changes).run())

    return act


def session(family: Family, what: str) -> Act:
    """End the dump's session on the server, or its query."""

    def act(scene: Scene) -> Run:
        server = scene.mysql(family.engine)
        task = server.backup(scene.world, DATABASE)
        pod = scene.world.pod(task, image=family.runner)
        with mid_dump(server, pod) as connection:
            seen = pod.processes()
            server.sql(f"kill {what} {connection}")
            return Run(task, pod.result(), seen)

    return act


def server_gets(family: Family, signal: str) -> Act:
    """Send the server's first process a signal in the middle of the dump, then start it again."""

    def act(scene: Scene) -> Run:
        server = scene.mysql(family.engine)
        task = server.backup(scene.world, DATABASE)
        pod = scene.world.pod(task, image=family.runner)
        with mid_dump(server, pod):
            docker("kill", "--signal", signal, server.name)
            try:
                return Run(task, pod.result())
            finally:
                wait_for(lambda: not running(server.name), "the server's end")
                docker("start", server.name)
                wait_for(server.answers, f"{server.name} to be back", 90)

    return act


def silent(family: Family, *, works: bool) -> Act:
    """Have the dump be silent for longer than the limit: its server waits for a lock, or says nothing any more."""

    def act(scene: Scene) -> Run:
        server = scene.mysql(family.engine)
        task = server.backup(scene.world, DATABASE)
        pod = scene.world.pod(task, image=family.runner, options=impatient(scene.world))
        with mid_dump(server, pod) as connection:
            if works:
                line = pod.wait_for_line(lambda line: line["event"] == "silent", "the silence")
                assert [doing.partition(" for ")[0] for doing in line["server"]] == [connection]
                assert "lock" in str(line["server"])
                release(server)
                return Run(task, pod.result())
            server.pause()
            try:
                return Run(task, pod.result())
            finally:
                server.unpause()

    return act


def half_open(family: Family) -> Act:
    """Have a connection take what the server sends, and bring no more of it, in the middle of the dump."""

    def act(scene: Scene) -> Run:
        server = scene.mysql(family.engine)
        server.create("noise")
        try:
            server.let_dump("noise")
            server.sql(NOISE, "noise")
            with hostile(scene.world, "stops", before=server.name) as name:
                task = server.backup(scene.world, "noise", host=name, port=5432)
                pod = scene.world.pod(task, image=family.runner, options=impatient(scene.world))
                return Run(task, pod.run())
        finally:
            server.drop("noise")

    return act


def impatient(world: World) -> list[str]:
    """Return options of a Pod whose patience with a silent dump is SILENCE."""
    folder = world.folder / f"impatient-{len(list(world.folder.iterdir()))}"
    folder.mkdir(mode=0o755)
    (folder / "sitecustomize.py").write_text(
        "from holdfast.runner.artifact import stream\nfrom holdfast.runner.engines.mysql import server\n"
        f"stream.SILENCE = server.WRITING_SECONDS = {SILENCE}\n"
    )
    return ["--volume", f"{folder}:/impatient:ro", "--env", "PYTHONPATH=/impatient"]


def before(family: Family, mode: str) -> Act:
    """Let the runner connect to what is no more than a listener."""

    def act(scene: Scene) -> Run:
        server = scene.mysql(family.engine)
        with hostile(scene.world, mode) as name:
            task = server.backup(scene.world, host=name, port=5432)
            return Run(task, scene.world.pod(task, image=family.runner).run())

    return act


def of(family: Family) -> Iterator[Fault]:
    """Each fault, of one of the two engines."""
    dumping, tool, whole = f"dumping ({family.engine})", family.dump, f'/usr/bin/{family.dump} "$@"'
    for signal, words in (("KILL", "is killed"), ("TERM", "is told to end")):
        act = killed(family, signal)
        yield Fault(dumping, f"{tool} {words} (SIG{signal})", act, 7, "DumpKilled", f"SIG{signal}")
    yield Fault(dumping, "the runner is killed (SIGKILL)", told(family, "KILL"), 137, left="an upload")
    yield Fault(dumping, "the Pod is deleted (SIGTERM)", told(family, "TERM"), 9, "Interrupted", "SIGTERM")
    late = told(family, "", deadline_seconds=6)
    yield Fault(dumping, "the deadline passes", late, 8, "DeadlineExceeded", "6 s")
    yield Fault(
        dumping,
        f"{tool} writes everything and exits 1",
        standing_in(family, f"{whole}; exit 1"),
        7,
        "DumpFailed",
        "exited 1",
    )
    yield Fault(
        dumping,
        f"{tool} takes all memory and is killed for it",
        standing_in(family, EATS, memory="128m"),
        7,
        "DumpKilled",
        "SIGKILL",
    )
    half = standing_in(family, f"{whole} | head -c 5000; exit 0")
    yield Fault(dumping, f"{tool} writes half and exits 0", half, 5, "EndMarkMissing")
    yield Fault(dumping, f"{tool} writes nothing and exits 0", standing_in(family, "exit 0"), 5, "EndMarkMissing")
    ended = session(family, "connection")
    yield Fault(dumping, "the server ends the session (KILL)", ended, 7, "DumpFailed", tool, cut=family is MYSQL)
    cancelled = session(family, "query")
    yield Fault(dumping, "the server cancels the query (KILL QUERY)", cancelled, 7, "DumpFailed", "interrupted")
    yield Fault(dumping, "the server is restarted", server_gets(family, "TERM"), 7, "DumpFailed", tool)
    yield Fault(dumping, "the server is gone without a word", server_gets(family, "KILL"), 7, "DumpFailed", tool)
    yield Fault(
        dumping,
        "the server says nothing more",
        silent(family, works=False),
        7,
        "DumpStalled",
        "the server no longer answers",
    )
    stalled = half_open(family)
    yield Fault(dumping, "the server writes, and nothing arrives", stalled, 7, "DumpStalled", "but nothing arrives")
    locked = silent(family, works=True)
    yield Fault(dumping, "the server waits for a lock, and says nothing", locked, 0, cut=family is MARIADB)
    for mode, words in (("mute", "takes the connection and says nothing"), ("half", "says half a greeting")):
        yield Fault("validating", f"a {family.engine} server {words}", before(family, mode), 3, "ConnectionTimeout")


FAULTS: Sequence[Fault] = (*of(MYSQL), *of(MARIADB))
