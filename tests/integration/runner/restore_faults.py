"""Every fault of a restore, where it strikes, and what must come of it: behind test_restore_faults.py and a page."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.integration.runner.containers import docker, wait_for
from tests.integration.runner.fault_servers import FaultyStore
from tests.integration.runner.faults import running
from tests.integration.runner.pod import Pod, Result
from tests.integration.runner.servers import BUCKET, USER, identifier, literal
from tests.integration.runner.world import World

from holdfast.contract.task import BackupTask, Beside, RestoreIdentity, RestoreTask

REFUSE, REPLACE = "Refuse", "Replace"
MODES = (REFUSE, REPLACE)
AS_BEFORE, WHOLE = "as before", "whole"
FRESH = "the fresh database"
IN_IT = "was not compared with its manifest"
# A restore stands still at its index, or at the look at its statistics, for as long as a test keeps a lock.
AT = {"restoring": 7801, "comparing": 7802}
ORIGIN = """
create table orders (id int generated always as identity primary key, what text);
insert into orders (what) select 'order ' || n from generate_series(1, 500) n;
create table bulk as select i, md5(i::text) || md5((i * 7)::text) as words from generate_series(1, 30000) i;
create function public.stands(i int) returns int language plpgsql immutable as $$
begin
  while exists (select from pg_catalog.pg_locks where locktype = 'advisory' and granted and objid =
      case when pg_catalog.current_query() ilike 'analyze%' then 7802 else 7801 end) loop
    perform pg_catalog.pg_sleep(0.05);
  end loop;
  return i;
end $$;
create table steps as select generate_series(1, 20) as i;
create index steps_stand on steps (public.stands(i));
"""
LIVE = """
create table live (id int primary key, what text);
insert into live select n, 'now ' || n from generate_series(1, 300) n;
create view seen as select count(*) from live;
"""
LIKENESS = """
alter database {0} connection limit 17;
alter database {0} set search_path = public, "Odd one";
comment on database {0} is 'the shop''s';
"""


@dataclass(frozen=True)
class Target:
    """A database that is restored into, and what it was like before."""

    world: World
    task: RestoreTask
    before: tuple[Any, Any]

    @property
    def name(self) -> str:
        return str(self.task.database.name)


@dataclass(frozen=True)
class Run:
    """What came of one restore under a fault."""

    target: Target
    result: Result
    next: Callable[[], Result] | None = None
    """Runs the Pod that follows, as the Job would."""
    processes: str = ""


# Disks of a server that are just too small, in MiB. An empty database has 8, once it is written out, and 2 before; what
# is restored has 4.
DISKS = {"for_two": 12, "for_one": 10, "for_no_more": 8}


@dataclass
class Scene:
    """What a fault has to work with."""

    world: World
    """Its database server may be killed."""
    store: FaultyStore
    stored: Callable[[str, bool], BackupTask]
    """A backup of ORIGIN, in that format, encrypted or not."""
    identity: dict[str, str]
    aside: Callable[[str], World]
    """Another server: `small` disks, a `standby`, or an `old` version."""
    targets: Iterator[int]
    spare: dict[str, str] = field(default_factory=dict)
    """A target of each mode that is as it was made."""

    def pod(self, target: Target, **changes: Any) -> Pod:
        return target.world.pod(target.task, self.store, **changes)


Act = Callable[[Scene], Run]


@dataclass(frozen=True)
class Fault:
    """One row of the table. Exit code 0 is a whole restore in spite of the fault."""

    stage: str
    what: str
    mode: str
    act: Act = field(repr=False)
    code: int
    reason: str = ""
    says: str = ""
    target: str = AS_BEFORE
    left: str = "nothing"
    """What is beside the target afterwards, which the report names, if there is one."""
    next: str = ""
    """What the Pod that follows comes to: `whole`, a reason, or nothing where none follows."""
    cut: bool = False
    """Part of what `make test` takes."""

    @property
    def name(self) -> str:
        return f"{self.stage} ({self.mode}): {self.what}"


def properties(world: World, database: str) -> str:
    """Return all that a database has besides its content."""
    from tests.integration.runner.test_replace import properties as read

    return read(world, database)


def state(world: World, database: str) -> tuple[Any, Any]:
    return properties(world, database), world.db.fingerprint(database)


def made(
    scene: Scene, mode: str, *, world: World | None = None, form: str = "", encrypted: bool = False,
    tablespace: str = "", live: bool = False, **changes: Any,
) -> Target:  # fmt: skip
    """Make a target that is empty, or has something that makes way, and the task that restores into it."""
    name = scene.spare.pop(mode, "") if world is None and not live else ""
    world = world or scene.world
    if not name:
        name, where = f"target {next(scene.targets)}", f" tablespace {tablespace}" if tablespace else ""
        world.db.sql("postgres", f"create database {identifier(name)} owner {USER} template template0{where}")
        if live or mode == REPLACE:
            world.db.sql(name, LIVE, USER)
            world.db.sql("postgres", LIKENESS.format(identifier(name)))
        if tablespace:
            world.db.sql("postgres", "checkpoint")
    of = scene.stored(form or ("custom" if mode == REPLACE else "sql"), encrypted)
    beside: dict[str, Any] = {}
    if mode == REPLACE:
        names = Beside(fresh=f"{name} fresh", old=f"{name} before")
        beside = {"beside": names, "restore": RestoreIdentity(uid="u-1", namespace="shop", name="r")}
    task = world.restore(of, name, mode=mode, s3=world.s3(scene.store), **(beside | changes))
    return Target(world, task, state(world, name))


@contextmanager
def kept(world: World, database: str, script: str, application: str) -> Iterator[None]:
    """Have a superuser's session that does something and then sleeps, within the block, or until its server ends."""
    docker(
        "exec", "--detach", "--env", f"PGAPPNAME={application}", world.db.name, "psql", "-X", "-U", "postgres",
        "-d", database, "-c", script, "-c", "select pg_sleep(300)",
    )  # fmt: skip
    session = f"from pg_stat_activity where application_name = {literal(application)}"
    wait_for(lambda: world.db.sql("postgres", f"select 1 {session} and query like 'select pg_sleep%'"), application)
    try:
        yield
    finally:
        if running(world.db.name):
            world.db.sql("postgres", f"select pg_terminate_backend(pid) {session}")


def active(world: World, query: str) -> bool:
    sql = (
        f"select 1 from pg_stat_activity where state = 'active' and application_name = 'holdfast' and query ~ '{query}'"
    )
    return bool(world.db.sql("postgres", sql).strip())


def until(pod: Pod, condition: Callable[[], bool], what: str) -> None:
    """Wait for it. Raises AssertionError where the Pod ends before."""

    def holds() -> bool:
        assert not any(line["event"] == "ended" for line in pod.lines), f"it ended before {what}: {pod.log}"
        return condition()

    wait_for(holds, what)


@contextmanager
def standing(scene: Scene, stage: str, target: Target, **changes: Any) -> Iterator[Pod]:
    """Have the restore stand still at a stage while the block runs."""
    world = target.world
    if stage == "switching":
        # Nobody but a superuser may end it, so the exchange of names waits for it; at first, it would be refused.
        with ExitStack() as stack:
            with standing(scene, "comparing", target, **changes) as pod:
                stack.enter_context(kept(world, target.name, "select 1", "keeps switching"))
            until(pod, lambda: active(world, "ALTER DATABASE.*RENAME"), "the exchange of names that waits")
            yield pod
        return
    pod = scene.pod(target, **changes)
    if stage in ("validating", "checking"):
        at = {"validating": "find", "checking": "fetch"}[stage]
        with scene.store.behaving({"at": at, "do": "pass", "hold": True, "times": 1}):
            pod.start()
            until(pod, lambda: bool(scene.store.waits()), f"the request to be held while {stage}")
            try:
                yield pod
            finally:
                scene.store.release()
    else:
        query = {"restoring": "CREATE INDEX", "comparing": "^ANALYZE"}[stage]
        with kept(world, "postgres", f"select pg_advisory_lock({AT[stage]})", f"keeps {stage}"):
            pod.start()
            until(pod, lambda: active(world, query), f"a restore that stands at {stage}")
            yield pod


def killed(stage: str, mode: str, signal: str) -> Act:
    """Send the Pod a signal at that stage."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode)
        with standing(scene, stage, target) as pod:
            seen = pod.processes()
            pod.kill(signal)
            if signal == "TERM":
                pod.wait_for_line(lambda line: line["event"] == "stopping", "the stop")
            else:
                wait_for(lambda: not running(pod.name), "its end")
        return Run(target, pod.result(), scene.pod(target).run, seen)

    return act


def server_gone(stage: str, mode: str, *, back: bool) -> Act:
    """Have the target's server end at that stage; it is back at once, or only after the Pod has given up."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode)
        db = scene.world.db
        with standing(scene, stage, target) as pod:
            docker("kill", "--signal", "KILL", db.name)
            wait_for(lambda: not running(db.name), "the server's end")
            if back:
                started(scene.world)
        try:
            result = pod.result()
        finally:
            started(scene.world)
        return Run(target, result, scene.pod(target).run)

    return act


def started(world: World) -> None:
    docker("start", world.db.name)
    wait_for(world.db.answers, "the server")


def store_gone(stage: str, mode: str) -> Act:
    """Have the store be gone from the artifact's first or second reading on."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode)
        with scene.store.behaving({"at": "fetch", "do": "gone", "skip": int(stage == "restoring")}):
            result = scene.pod(target).run()
        return Run(target, result, scene.pod(target).run)

    return act


@contextmanager
def instead(scene: Scene, key: str, data: bytes) -> Iterator[None]:
    """Have other bytes in the place of an object."""
    store = scene.world.store
    before = store.read(key)
    store.client.put_object(Bucket=BUCKET, Key=key, Body=data)
    try:
        yield
    finally:
        store.client.put_object(Bucket=BUCKET, Key=key, Body=before)


def changed(change: Callable[[bytes], bytes], mode: str, *, manifest: bool = False, encrypted: bool = False) -> Act:
    """Change the artifact, or the manifest, before the restore."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, encrypted=encrypted)
        form = "custom" if mode == REPLACE else "sql"
        of = scene.stored(form, encrypted)
        key = f"{of.key_prefix}manifest.json" if manifest else scene.world.manifest(of).artifact.key
        with instead(scene, key, change(scene.world.store.read(key))):
            identity = scene.identity if encrypted else None
            return Run(target, scene.pod(target, age_identity=identity).run())

    return act


def flipped(tenth: int, data: bytes) -> bytes:
    """Flip one bit, at one of ten places from the first byte to the last."""
    at = (len(data) - 1) * tenth // 9
    return data[:at] + bytes([data[at] ^ (1 << tenth % 8)]) + data[at + 1 :]


def of_another(mode: str) -> Act:
    """Put a whole artifact of another backup into the place of this one's."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode)
        mine, other = (scene.stored("custom" if mode == REPLACE else "sql", each) for each in (False, True))
        key, data = (scene.world.manifest(mine).artifact.key, scene.world.manifest(other).artifact.key)
        with instead(scene, key, scene.world.store.read(data)):
            return Run(target, scene.pod(target).run())

    return act


def identity(given: dict[str, str] | None, mode: str) -> Act:
    """Restore an encrypted backup with that in the identity's place."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, encrypted=True)
        return Run(target, scene.pod(target, age_identity=given).run())

    return act


def prepared(before: str, after: str, mode: str, **changes: Any) -> Act:
    """Have an administrator do something before the restore, and take it back afterwards."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, **changes)
        name = identifier(target.name)
        target.world.db.sql("postgres", before.format(name))
        try:
            return Run(target, scene.pod(target).run())
        finally:
            target.world.db.sql("postgres", after.format(name))

    return act


def at(stage: str, before: str, after: str, mode: str) -> Act:
    """Have an administrator do something when the restore is at a stage."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode)
        try:
            with standing(scene, stage, target) as pod:
                target.world.db.sql("postgres", before)
            result = pod.result()
        finally:
            target.world.db.sql("postgres", after)
        return Run(target, result, scene.pod(target).run)

    return act


def elsewhere(server: str, mode: str, **changes: Any) -> Act:
    """Restore into another server than most."""

    def act(scene: Scene) -> Run:
        world = scene.aside(server)
        target = made(scene, mode, world=world, **changes)
        return Run(target, scene.pod(target).run())

    return act


def standby(mode: str) -> Act:
    """Restore into a server that was a primary when the target was made, and only follows now."""

    def act(scene: Scene) -> Run:
        world = scene.aside("standby")
        target = made(scene, mode, world=world)
        follow = 'touch "$(psql -X -A -t -U postgres -c "show data_directory")/standby.signal"'
        docker("exec", world.db.name, "sh", "-c", follow)
        docker("restart", world.db.name)
        wait_for(world.db.answers, "the standby")
        try:
            return Run(target, scene.pod(target).run())
        finally:
            world.db.sql("postgres", "select pg_promote()")

    return act


def locked(scene: Scene) -> Run:
    """Have somebody keep a lock on the database itself until the restore has ended."""
    target = made(scene, REPLACE)
    script = f"begin; comment on database {identifier(target.name)} is 'is being written'"
    with kept(target.world, "postgres", script, "keeps a lock"):
        return Run(target, scene.pod(target).run())


def stays(scene: Scene) -> Run:
    """Have a superuser be connected to the target until the restore has ended."""
    target = made(scene, REPLACE)
    with standing(scene, "switching", target) as pod:
        return Run(target, pod.result())


def hostile(script: str, mode: str) -> Act:
    """Have a script of somebody else's in the dump's place, and a manifest that fits it."""

    def act(scene: Scene) -> Run:
        from tests.integration.runner.returns import HEAD
        from tests.integration.runner.test_hostile_dumps import put_in_its_place

        target = made(scene, mode, form="sql")
        of = scene.stored("sql", False)
        manifest = f"{of.key_prefix}manifest.json"
        artifact = scene.world.manifest(of).artifact.key
        with instead(scene, artifact, b""), instead(scene, manifest, scene.world.store.read(manifest)):
            put_in_its_place(scene.world, of, HEAD + script)
            return Run(target, scene.pod(target).run())

    return act


GONE = "the server is gone until the Pod has ended"
BACK = "the server is killed, and back at once"
COPY_TO = "COPY (SELECT 1) TO PROGRAM 'cat > /tmp/out';\n"
RUNS = (
    "CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''id''';"
)
RUNS += " RETURN 1; END $$;\nALTER TABLE public.t ADD COLUMN more int DEFAULT public.f();\nSELECT public.f();\n"


def of_the_pod() -> Iterator[Fault]:
    """The runner is killed, or told to end, at each stage; another Pod follows."""
    for mode in MODES:
        for stage in ("validating", "checking", "restoring", "comparing", "switching"):
            if (mode, stage) == (REFUSE, "switching"):
                continue
            in_it = stage == "comparing" and mode == REFUSE
            there: dict[str, Any] = {"target": WHOLE, "next": "TargetNotEmpty"} if in_it else {"next": WHOLE}
            fresh = {"left": FRESH} if mode == REPLACE and stage != "validating" else {}
            yield Fault(
                stage, "the runner is killed (SIGKILL)", mode, killed(stage, mode, "KILL"), 137, **there, **fresh,
                cut=(mode, stage) in ((REPLACE, "restoring"), (REPLACE, "switching")),
            )  # fmt: skip
            if stage == "switching":
                yield Fault(
                    stage, "the Pod is deleted (SIGTERM)", mode, killed(stage, mode, "TERM"), 0, target=WHOLE,
                    next="found", cut=True,
                )  # fmt: skip
                continue
            yield Fault(
                stage, "the Pod is deleted (SIGTERM)", mode, killed(stage, mode, "TERM"), 9, "Interrupted",
                IN_IT if in_it else "SIGTERM", **there, cut=(mode, stage) == (REPLACE, "comparing"),
            )  # fmt: skip


def of_the_server() -> Iterator[Fault]:
    """The target's server goes away at each stage."""
    failed = {
        "validating": (3, "HostNotFound"), "checking": (7, "RestoreFailed"), "restoring": (7, "RestoreFailed"),
        "comparing": (7, "RestoreFailed"), "switching": (3, "SwitchFailed"),
    }  # fmt: skip
    for mode in MODES:
        for stage, (code, reason) in failed.items():
            if (mode, stage) == (REFUSE, "switching"):
                continue
            in_it = stage == "comparing" and mode == REFUSE
            there: dict[str, Any] = {"target": WHOLE, "next": "TargetNotEmpty"} if in_it else {"next": WHOLE}
            says = IN_IT if in_it else ""
            fresh = {"left": FRESH} if mode == REPLACE and stage != "validating" else {}
            yield Fault(
                stage, GONE, mode, server_gone(stage, mode, back=False), code, reason, says, **there, **fresh,
            )  # fmt: skip
            if stage in ("restoring", "comparing", "switching"):
                yield Fault(
                    stage, BACK, mode, server_gone(stage, mode, back=True), code, reason, says, **there,
                    cut=(mode, stage) == (REFUSE, "restoring"),
                )  # fmt: skip
            elif stage == "checking":
                yield Fault(stage, BACK, mode, server_gone(stage, mode, back=True), 0, target=WHOLE)


def of_the_store() -> Iterator[Fault]:
    """What is in the bucket is not what was put there, or the store goes away."""
    for mode in MODES:
        for stage in ("checking", "restoring"):
            yield Fault(
                stage, "the store is gone from then on", mode, store_gone(stage, mode), 6, "StorageUnavailable",
                next=WHOLE,
            )  # fmt: skip
        for tenth in range(10) if mode == REPLACE else (4,):
            yield Fault(
                "checking", f"one bit of the artifact is flipped, {tenth + 1} of 10 places", mode,
                changed(partial(flipped, tenth), mode, encrypted=tenth % 2 == 1), 5, "ChecksumMismatch",
                cut=(mode, tenth) == (REPLACE, 3),
            )  # fmt: skip
        yield Fault(
            "checking", "the artifact ends too early", mode, changed(lambda data: data[: len(data) // 2], mode),
            5, "ChecksumMismatch",
        )  # fmt: skip
        yield Fault(
            "checking", "the artifact is another backup's", mode, of_another(mode), 5, "ChecksumMismatch",
        )  # fmt: skip
        tampered = partial(changed, mode=mode, manifest=True)
        yield Fault(
            "validating", "the manifest ends too early", mode, tampered(lambda data: data[: len(data) // 2]),
            5, "ManifestConflict",
        )  # fmt: skip
        yield Fault(
            "validating", "the manifest's key points elsewhere", mode,
            tampered(lambda data: data.replace(b'"key":"it/', b'"key":"other/').replace(b'"key": "it/', b'"key": "x/')),
            5, "ManifestConflict", cut=mode == REFUSE,
        )  # fmt: skip


def of_who_asks() -> Iterator[Fault]:
    """An identity that does not fit."""
    import pyrage

    for mode in MODES:
        yield Fault("validating", "no identity is there", mode, identity(None, mode), 1, "SecretMissing")
        yield Fault(
            "validating", "the identity is none", mode, identity({"key.txt": "AGE-SECRET-KEY-1WRONG\n"}, mode), 1,
            "SecretInvalid",
        )  # fmt: skip
        yield Fault(
            "validating", "the identity is of no recipient", mode,
            identity({"key.txt": f"{pyrage.x25519.Identity.generate()}\n"}, mode), 1, "IdentityMismatch",
            cut=mode == REPLACE,
        )  # fmt: skip


def of_the_target() -> Iterator[Fault]:
    """A target that is not as it must be, or whose server lets nobody in."""
    validating = "validating"
    yield Fault(
        validating, "the target is not empty", REFUSE, prepared("", "", REFUSE, live=True), 1, "TargetNotEmpty",
        "live", cut=True,
    )  # fmt: skip
    for mode in MODES:
        yield Fault(
            validating, "the server is older than the dump", mode, elsewhere("old", mode), 1, "TargetNotReady",
            "PostgreSQL 15",
        )  # fmt: skip
        yield Fault(
            validating, "the server only follows another one", mode, standby(mode), 1, "TargetNotReady", "replica"
        )
        yield Fault(
            validating, "the whole server is set read-only", mode,
            prepared(
                "alter system set default_transaction_read_only = on;\nselect pg_reload_conf();\nselect pg_sleep(0.5);",
                "set default_transaction_read_only = off;\nalter system reset default_transaction_read_only;\n"
                "select pg_reload_conf();\nselect pg_sleep(0.5);",
                mode,
            ),
            1, "TargetNotReady", "read-only", cut=mode == REPLACE,
        )  # fmt: skip
        yield Fault(
            validating, "the role is set read-only", mode,
            prepared(
                f"alter role {USER} set default_transaction_read_only = on",
                f"alter role {USER} reset default_transaction_read_only",
                mode,
            ),
            0, target=WHOLE,
        )  # fmt: skip
        yield Fault(
            validating, "the role may have no more connections", mode,
            prepared(f"alter role {USER} connection limit 0", f"alter role {USER} connection limit -1", mode), 3,
            "ConnectionFailed", "too many connections for role",
        )  # fmt: skip
        yield Fault(
            "restoring", "the disk of the server is full", mode,
            elsewhere("small", mode, tablespace="for_two" if mode == REPLACE else "for_one"), 2, "DiskFull",
            cut=mode == REPLACE,
        )  # fmt: skip
    yield Fault(
        validating, "the database may have no more connections", REFUSE,
        prepared("alter database {} connection limit 0", "alter database {} connection limit -1", REFUSE), 3,
        "ConnectionFailed", "too many connections for database",
    )  # fmt: skip
    yield Fault(
        validating, "the disk of the server has no room for another database", REPLACE,
        elsewhere("small", REPLACE, tablespace="for_no_more"), 2, "DiskFull",
    )  # fmt: skip
    yield Fault(
        "restoring", "the role may have no more connections by then", REFUSE,
        at("checking", f"alter role {USER} connection limit 0", f"alter role {USER} connection limit -1", REFUSE), 7,
        "RestoreFailed", "too many connections for role", next=WHOLE,
    )  # fmt: skip
    yield Fault(
        "switching", "somebody keeps a lock on the database", REPLACE,
        locked, 3, "SwitchFailed", "nothing was switched", cut=True,
    )  # fmt: skip
    yield Fault("switching", "a superuser's session stays", REPLACE, stays, 3, "SwitchFailed", "of postgres")


def of_a_hostile_dump() -> Iterator[Fault]:
    """What somebody put into a dump's place."""
    for mode in MODES:
        for what, script, says in (
            ("a shell command for psql", "\\! touch /tmp/out\n", "has the command"),
            ("psql is sent to another database", "\\connect postgres\n", "has the command"),
            ("COPY TO PROGRAM", COPY_TO, "COPY that does not read rows"),
            ("a function that runs on restore starts a program", RUNS, "permission denied"),
        ):
            yield Fault(
                "restoring", f"in the dump's place: {what}", mode, hostile(script, mode), 7, "RestoreFailed", says,
                cut=(mode, script) == (REPLACE, RUNS),
            )  # fmt: skip


FAULTS: Sequence[Fault] = (
    *of_the_pod(), *of_the_server(), *of_the_store(), *of_who_asks(), *of_the_target(), *of_a_hostile_dump()
)  # fmt: skip
