"""Every fault, where it strikes, and what must come of it: the table behind test_fault_matrix.py and the docs' page."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.integration.runner.containers import docker, remove, wait_for
from tests.integration.runner.fault_servers import FaultyStore, hostile
from tests.integration.runner.mysql_server import MySQLServer
from tests.integration.runner.pod import Pod, Result
from tests.integration.runner.world import World

from holdfast.contract.task import BackupTask

PATH = "/opt/holdfast/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FORMS = ("sql", "custom", "directory")


@dataclass(frozen=True)
class Run:
    """What came of one backup under a fault."""

    task: BackupTask
    result: Result
    processes: str = ""  # arguments and environment of all of them just before it struck, where it waits for that


@dataclass
class Scene:
    """What a fault has to work with."""

    world: World
    big: str
    faulty: FaultyStore
    server: Callable[[], World]
    """A server of its own, which may be killed; it is started when it is asked for."""
    mysql: Callable[[str], MySQLServer]
    """The server of that engine, `mysql` or `mariadb`."""


Act = Callable[[Scene], Run]


@dataclass(frozen=True)
class Fault:
    """One row of the table. Exit code 0 is a backup in spite of the fault."""

    stage: str
    what: str
    act: Act = field(repr=False)
    code: int
    reason: str = ""
    says: str = ""
    left: str = "nothing"
    """What the Pod had to leave to the cleanup, and says so: nothing, an upload, an object, or a finished backup."""
    cut: bool = False
    """Part of what `make test` takes."""

    @property
    def name(self) -> str:
        return f"{self.stage}: {self.what}"


@contextmanager
def mid_dump(world: World, pod: Pod) -> Iterator[None]:
    """Freeze the server when the first part is in the store; the block runs meanwhile."""
    pod.start()
    prefix = pod.task.key_prefix
    wait_for(lambda: pod.lines and world.store.parts_in_flight(prefix), "the first part in the store")
    world.db.pause()
    try:
        yield
    finally:
        world.db.unpause()


@contextmanager
def mid_staging(world: World, pod: Pod) -> Iterator[None]:
    """Freeze the server when some of a directory dump is on the disk."""
    docker("update", "--cpus", "0.05", world.db.name)  # or it would have given all before it is frozen
    try:
        pod.start()
        pod.wait_for_phase("dumping")
        staged = "find /scratch/dump -name '*.dat' -size +500k 2>/dev/null || true"
        wait_for(lambda: pod.exec(staged), "half a megabyte on the disk")
        world.db.pause()
    finally:
        docker("update", "--cpus", str(os.cpu_count()), world.db.name)
    try:
        yield
    finally:
        world.db.unpause()


def killed(process: str, signal: str, form: str) -> Act:
    """Kill every process of that name in the middle of the dump."""

    def act(scene: Scene) -> Run:
        task = scene.world.backup(scene.big, form)
        pod = scene.world.pod(task)
        with (mid_staging if form == "directory" else mid_dump)(scene.world, pod):
            seen = pod.processes()
            if process == "the runner":
                pod.kill(signal)
            else:
                named = (
                    f"grep -lx {process} /proc/[0-9]*/comm | cut -d/ -f3 | sort -n"  # the one that leads comes first
                )
                pod.exec(f"kill -{signal} $({named})")
        return Run(task, pod.result(), seen)

    return act


def standing_in(script: str, form: str, **changes: Any) -> Act:
    """Run another program in pg_dump's place; the real one is /usr/bin/pg_dump."""

    def act(scene: Scene) -> Run:
        task = scene.world.backup("shop", form)
        options = stand_in(scene.world, "pg_dump", script)
        return Run(task, scene.world.pod(task, options=options, **changes).run())

    return act


def stand_in(world: World, tool: str, script: str) -> list[str]:
    """Return options of a Pod in which a script has the place of a dump tool; it tells the real one's version."""
    folder = world.folder / f"stand-in-{len(list(world.folder.iterdir()))}"
    folder.mkdir()
    (folder / tool).write_text(
        f'#!/bin/bash\n[ "$1" = --version ] && exec /usr/bin/{tool} --version\n'
        f"for a; do case $a in --file=*) folder=${{a#--file=}};; esac; done\n{script}\n"
    )
    (folder / tool).chmod(0o755)
    folder.chmod(0o755)
    return ["--volume", f"{folder}:/stand-in:ro", "--env", f"PATH=/stand-in:{PATH}"]


def store(at: str, do: str, database: str = "shop", **rule: Any) -> Act:
    """Have the store do that at that request, always or `times` times."""
    deadline = rule.pop("deadline", 120)

    def act(scene: Scene) -> Run:
        task = scene.world.backup(
            scene.big if database == "big" else database, store=scene.faulty, deadline_seconds=deadline
        )
        with scene.faulty.behaving({"at": at, "do": do, **rule}):
            return Run(task, scene.world.pod(task, scene.faulty).run())

    return act


def session(do: str) -> Callable[[str], Act]:
    """End the dump's sessions on the server, each form's in its own test."""

    def of(form: str) -> Act:
        def act(scene: Scene) -> Run:
            task = scene.world.backup(scene.big, form)
            pod = scene.world.pod(task).start()
            pod.wait_for_phase("dumping")
            sessions = "pg_stat_activity where application_name = 'holdfast' and query like 'COPY%'"
            sql = f"select count({do}(pid)) from {sessions}"
            wait_for(lambda: scene.world.db.sql("postgres", sql).strip() != "0", "a COPY")
            return Run(task, pod.result())

        return act

    return of


def server(signal: str, form: str) -> Act:
    """Send the server's first process a signal in the middle of the dump: INT is PostgreSQL's fast shutdown."""

    def act(scene: Scene) -> Run:
        world = scene.server()
        task = world.backup("noise", form)
        docker("update", "--cpus", "0.05", world.db.name)  # or it would have given all before the signal comes
        pod = world.pod(task).start()
        try:
            if form == "directory":
                pod.wait_for_phase("dumping")
                staged = "find /scratch/dump -name '*.dat*' -size +500k 2>/dev/null || true"
                wait_for(lambda: pod.exec(staged), "half a megabyte on the disk")
            else:
                wait_for(lambda: world.store.parts_in_flight(task.key_prefix), "the first part in the store")
            docker("kill", "--signal", signal, world.db.name)
            docker("update", "--cpus", str(os.cpu_count()), world.db.name)
            return Run(task, pod.result())
        finally:
            wait_for(lambda: not running(world.db.name), "the server's end")
            docker("start", world.db.name)
            wait_for(world.db.answers, "the server")

    return act


def running(container: str) -> bool:
    return docker("inspect", "--format", "{{.State.Running}}", container).strip() == "true"


def between(mode: str, deadline: int = 120, database: str = "shop") -> Act:
    """Put something hostile between the runner and the server."""

    def act(scene: Scene) -> Run:
        with hostile(scene.world, mode) as name:
            task = scene.world.backup(database, connection={"host": name}, deadline_seconds=deadline)
            return Run(task, scene.world.pod(task).run())

    return act


def unresolved(what: str, *, later: bool) -> Act:
    """Let a host's name be unknown, for good or until the runner has asked for it."""

    def act(scene: Scene) -> Run:
        name = f"{scene.world.network}-late-{what}"
        connection = {"host": name} if what == "db" else {}
        s3 = {"endpoint": f"http://{name}:8333"} if what == "store" else {}
        task = scene.world.backup(connection=connection, s3=s3)
        pod = scene.world.pod(task).start()
        pod.wait_for_phase("validating")
        appears: Any = nullcontext()
        if later:
            appears = hostile(scene.world, "pass", name) if what == "db" else FaultyStore(scene.world, name).running()
        with appears:
            return Run(task, pod.result())

    return act


def asked_to_end(at: str) -> Act:
    """Send the container SIGTERM while it waits for an answer of the store's."""

    def act(scene: Scene) -> Run:
        task = scene.world.backup(store=scene.faulty)
        with scene.faulty.behaving({"at": at, "do": "pass", "hold": True, "times": 1}):
            pod = scene.world.pod(task, scene.faulty).start()
            wait_for(scene.faulty.waits, f"the request to be held at {at}")
            pod.kill("TERM")
            pod.wait_for_line(lambda line: line["event"] == "stopping", "the stop")
            scene.faulty.release()
            return Run(task, pod.result())

    return act


def two_pods(scene: Scene) -> Run:
    """Run two Pods of one backup at once; the one that ends last is looked at."""
    task = scene.world.backup()
    first, second = (scene.world.pod(task).start() for _ in range(2))
    assert first.result().exit_code == 0
    return Run(task, second.result())


def late(form: str = "sql") -> Act:
    """Let the deadline pass in the middle of the dump."""

    def act(scene: Scene) -> Run:
        task = scene.world.backup(scene.big, form, deadline_seconds=6)
        pod = scene.world.pod(task)
        with (mid_staging if form == "directory" else mid_dump)(scene.world, pod):
            return Run(task, pod.result())

    return act


def clock(jump: str, deadline: int = 120) -> Act:
    """Have the clock of the container jump in the middle of the dump, for all of its processes."""

    def act(scene: Scene) -> Run:
        folder = scene.world.folder / f"clock-{len(list(scene.world.folder.iterdir()))}"
        folder.mkdir(mode=0o755)
        made = docker("create", "holdfast-test-faketime:latest", "true").strip()
        docker("cp", f"{made}:/libfaketime.so.1", str(folder / "libfaketime.so.1"))
        remove(made)
        offset = folder / "offset"
        offset.write_text("+0\n")
        variables = {
            "LD_PRELOAD": "/clock/libfaketime.so.1",
            "FAKETIME_TIMESTAMP_FILE": "/clock/offset",
            "FAKETIME_CACHE_DURATION": "1",  # seconds; else each look at the clock reads the file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # as where somebody sets a clock
        }
        options = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        task = scene.world.backup(scene.big, deadline_seconds=deadline)
        pod = scene.world.pod(task, options=[*options, "--volume", f"{folder}:/clock:ro"])
        with mid_dump(scene.world, pod):
            before = seconds(pod.lines[0]["time"])
            offset.write_text(f"{jump}\n")
            pod.wait_for_line(lambda line: "time" in line and abs(seconds(line["time"]) - before) > 400, "the new time")
        return Run(task, pod.result())

    return act


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


ALL = '/usr/bin/pg_dump "$@"'
EATS = "exec tail /dev/zero"
UNAVAILABLE = (6, "StorageUnavailable")
DENIED = {"code": "AccessDenied", "status": 403}
SKEWED = {"code": "RequestTimeTooSkewed", "status": 403}
SLOW = {"code": "SlowDown", "status": 503}
BROKEN = {"code": "InternalError", "status": 500}
UNKNOWN = "nothing, which the Pod cannot know"
STAGES = {
    "find": "looking for a manifest", "begin": "beginning the upload", "part": "uploading a part",
    "complete": "completing the upload", "check": "checking the object", "record": "writing the manifest",
}  # fmt: skip


def of_processes() -> Iterator[Fault]:
    """Each process of the pipeline, killed."""
    for form in FORMS:
        dumping = f"dumping ({form})"
        yield Fault(
            dumping,
            "pg_dump is killed (SIGKILL)",
            killed("pg_dump", "KILL", form),
            7,
            "DumpKilled",
            "SIGKILL",
            cut=form == "sql",
        )
        yield Fault(
            dumping,
            "pg_dump is told to end (SIGTERM)",
            killed("pg_dump", "TERM", form),
            7,
            "DumpFailed",
            "pg_dump exited 1",
        )
        yield Fault(
            dumping,
            "the runner is killed (SIGKILL)",
            killed("the runner", "KILL", form),
            137,
            left="an upload",
        )
        yield Fault(
            dumping,
            "the Pod is deleted (SIGTERM)",
            killed("the runner", "TERM", form),
            9,
            "Interrupted",
            "SIGTERM",
            cut=form == "custom",
        )
        yield Fault(dumping, "the deadline passes", late(form), 8, "DeadlineExceeded", "6 s")
        yield Fault(
            dumping,
            "pg_dump writes everything and exits 1",
            standing_in(f"{ALL}; exit 1", form),
            7,
            "DumpFailed",
            "exited 1",
            cut=form == "directory",
        )
        yield Fault(
            dumping,
            "pg_dump takes all memory and is killed for it",
            standing_in(EATS, form, memory="128m"),
            7,
            "DumpKilled",
            "SIGKILL",
            cut=form == "sql",
        )
    for signal in ("KILL", "TERM"):
        yield Fault(
            "dumping (custom)",
            f"pg_restore that reads along gets SIG{signal}",
            killed("pg_restore", signal, "custom"),
            7,
            "DumpKilled",
            f"SIG{signal}",
        )
    half = f"{ALL} | head -c 20000; exit 0"
    yield Fault(
        "dumping (sql)", "pg_dump writes half and exits 0", standing_in(half, "sql"), 5, "EndMarkMissing", cut=True
    )
    yield Fault(
        "dumping (custom)",
        "pg_dump writes half and exits 0",
        standing_in(half, "custom"),
        5,
        "ArchiveUnreadable",
        cut=True,
    )
    lacking = f'{ALL}; rm "$(ls -S "$folder"/*.dat* | head -1)"; exit 0'
    yield Fault(
        "dumping (directory)",
        "pg_dump leaves out a table and exits 0",
        standing_in(lacking, "directory"),
        5,
        "ArchiveUnreadable",
        cut=True,
    )
    for form, reason in zip(FORMS, ("EndMarkMissing", "ArchiveUnreadable", "ArchiveUnreadable"), strict=True):
        yield Fault(f"dumping ({form})", "pg_dump writes nothing and exits 0", standing_in("exit 0", form), 5, reason)
    filled = f"head -c 9M /dev/zero > /scratch/of-another; {ALL}"
    yield Fault(
        "dumping (directory)",
        "the scratch volume is full",
        standing_in(filled, "directory", scratch="10m"),
        2,
        "ScratchTooSmall",
        cut=True,
    )


def of_the_server() -> Iterator[Fault]:
    """What a database server does to a dump."""
    for form in FORMS:
        dumping = f"dumping ({form})"
        yield Fault(
            dumping,
            "the server ends the session (pg_terminate_backend)",
            session("pg_terminate_backend")(form),
            7,
            "DumpFailed",
            "exited 1",
            cut=form == "custom",
        )
        yield Fault(
            dumping,
            "the server cancels the query (pg_cancel_backend)",
            session("pg_cancel_backend")(form),
            7,
            "DumpFailed",
            "cancel",
        )
    for form in FORMS:
        dumping = f"dumping ({form})"
        restarted = server("INT", form)
        yield Fault(dumping, "the server is restarted", restarted, 7, "DumpFailed", "exited 1")
        yield Fault(dumping, "the server is gone without a word", server("KILL", form), 7, "DumpFailed", "exited 1")
    yield Fault("dumping (sql)", "the connection is cut", between("cut"), 7, "DumpFailed", "exited 1", cut=True)
    yield Fault("dumping (sql)", "the server sends rows without end", between("endless", 8), 8, "DeadlineExceeded")
    yield Fault("dumping (sql)", "the server says nothing more", between("silent", 8), 8, "DeadlineExceeded")
    yield Fault(
        "validating", "the server takes the connection and says nothing", between("mute"), 3, "ConnectionTimeout"
    )
    yield Fault(
        "validating", "the database's name does not resolve for a while", unresolved("db", later=True), 0, cut=True
    )
    yield Fault("validating", "the database's name does not resolve", unresolved("db", later=False), 3, "HostNotFound")


def of_the_store() -> Iterator[Fault]:
    """What a store does to a backup, at each of its requests."""
    for at, stage in STAGES.items():
        left = "an object" if at == "record" else "nothing"
        once: dict[str, Any] = {"times": 1}
        yield Fault(stage, "one 500", store(at, "status", **BROKEN, **once), 0)
        yield Fault(stage, "two 503 SlowDown", store(at, "status", **SLOW, times=2), 0, cut=at == "part")
        yield Fault(stage, "one connection is reset", store(at, "reset", **once), 0, cut=at == "complete")
        yield Fault(stage, "one answer is lost", store(at, "lose", **once), 0, cut=at == "record")
        told = at != "check"  # the answer to a HEAD has no body, so no code: 403 may be anything
        for what, wrong, reason in (
            ("500 each time", BROKEN, "StorageUnavailable"),
            ("503 SlowDown each time", SLOW, "StorageUnavailable"),
            ("access is denied", DENIED, "StorageAccessDenied"),
            ("the clocks differ too much", SKEWED, "StorageFailed" if told else "StorageAccessDenied"),
        ):
            says = str(wrong["code"] if told else wrong["status"])
            cut = (at, wrong) in (("record", DENIED), ("begin", SKEWED))
            yield Fault(stage, what, store(at, "status", **wrong), 6, reason, says, left, cut=cut)
        yield Fault(stage, "the connection is reset each time", store(at, "reset"), *UNAVAILABLE, "", left)
        gone = {"find": "nothing", "begin": UNKNOWN, "part": "an upload", "complete": "an upload"}.get(at, "an object")
        yield Fault(
            stage, "the store is gone from then on", store(at, "gone"), *UNAVAILABLE, "", gone, cut=at == "complete"
        )
    yield Fault(STAGES["part"], "one answer times out", store("part", "hang", times=1), 0)
    yield Fault(
        STAGES["part"],
        "no answer until the deadline",
        store("part", "hang", deadline=8),
        8,
        "DeadlineExceeded",
        left=UNKNOWN,
    )
    yield Fault(STAGES["part"], "a byte changes on the way", store("part", "corrupt"), 6, "StorageFailed", "", cut=True)
    yield Fault(
        STAGES["part"], "the store states another checksum", store("part", "misstate"), 5, "ChecksumMismatch", cut=True
    )
    yield Fault(STAGES["part"], "success without a part", store("part", "pretend"), 6, "BackupNotFound", cut=True)
    yield Fault(
        STAGES["part"],
        "the store is gone between two parts",
        store("part", "gone", "big", skip=2),
        *UNAVAILABLE,
        "",
        "an upload",
    )
    yield Fault(STAGES["complete"], "200 with an error inside, once", store("complete", "inside", times=1), 0)
    yield Fault(STAGES["complete"], "200 with an error inside each time", store("complete", "inside"), *UNAVAILABLE)
    yield Fault(
        STAGES["complete"], "the store states another checksum", store("complete", "misstate"), 5, "ChecksumMismatch"
    )
    yield Fault(
        STAGES["complete"], "success without an object", store("complete", "pretend"), 6, "BackupNotFound", cut=True
    )
    yield Fault(
        STAGES["complete"],
        "the store is gone after completion",
        store("complete", "then_gone"),
        *UNAVAILABLE,
        "",
        "an object",
    )
    yield Fault(STAGES["check"], "the store states another checksum", store("check", "misstate"), 5, "ChecksumMismatch")
    yield Fault(
        STAGES["check"], "the store states another size", store("check", "truncate"), 5, "SizeImplausible", cut=True
    )
    yield Fault(
        STAGES["record"],
        "success without a manifest",
        store("record", "pretend"),
        6,
        "BackupNotFound",
        "",
        "an object",
        cut=True,
    )
    yield Fault(STAGES["record"], "each answer is lost", store("record", "lose"), *UNAVAILABLE, "", "a finished backup")
    for at in ("begin", "part", "complete", "check"):
        yield Fault(
            STAGES[at], "the Pod is deleted (SIGTERM)", asked_to_end(at), 9, "Interrupted", "SIGTERM", cut=at == "check"
        )
    yield Fault(STAGES["record"], "the Pod is deleted (SIGTERM)", asked_to_end("record"), 0, cut=True)
    yield Fault(STAGES["record"], "two Pods of one Job at once", two_pods, 0, cut=True)
    yield Fault(
        STAGES["find"], "the store's name does not resolve for a while", unresolved("store", later=True), 0, cut=True
    )
    yield Fault(STAGES["find"], "the store's name does not resolve", unresolved("store", later=False), *UNAVAILABLE)


def of_the_clock() -> Iterator[Fault]:
    """A clock that somebody sets during the dump; a store takes no request whose time is more than 15 minutes off."""
    dumping = "dumping (sql)"
    for jump, words in (("+10m", "10 minutes forwards, beyond the deadline"), ("-10m", "10 minutes backwards")):
        yield Fault(dumping, f"the clock jumps {words}", clock(jump), 0)
    for jump, words in (("+2h", "2 hours forwards"), ("-2h", "2 hours backwards")):
        yield Fault(dumping, f"the clock jumps {words}", clock(jump), 6, "StorageFailed", "TimeTooSkewed", "an upload")


FAULTS: Sequence[Fault] = (*of_processes(), *of_the_server(), *of_the_clock(), *of_the_store())
