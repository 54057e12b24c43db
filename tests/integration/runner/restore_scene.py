"""What a fault of a restore is made of: the row of its table, the target, and a restore that stands still."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.integration.runner.containers import docker, wait_for
from tests.integration.runner.fault_servers import FaultyStore
from tests.integration.runner.faults import running
from tests.integration.runner.pod import Pod, Result
from tests.integration.runner.replacing import PROPERTIES, replacing
from tests.integration.runner.servers import USER, identifier, literal
from tests.integration.runner.world import World
from tests.stack.fingerprint import Fingerprint

from holdfast.contract.task import BackupTask, RestoreTask

REFUSE, REPLACE = "Refuse", "Replace"
MODES = (REFUSE, REPLACE)
AS_BEFORE, WHOLE, PART = "as before", "whole", "filled in part"
FRESH = "the fresh database"
IN_IT = "was not compared with its manifest"
IN_PART = "a part of the dump may be in"
HEIR = "heir"  # who is to own everything, where a test asks for it
CONNECTIONS = 14  # of the server; PostgreSQL keeps three of them for superusers
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
comment on index steps_stand is 'made last: whoever ends the restore at the index, ends it without this';
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
    before: "Look"

    @property
    def name(self) -> str:
        return str(self.task.database.name)

    @property
    def fed(self) -> str:
        """The database that the dump goes into."""
        return self.task.beside.fresh if self.task.beside is not None else self.name


@dataclass(frozen=True)
class Look:
    """What is seen of a database, and which ones are beside it."""

    properties: str
    beside: set[str]
    content: Fingerprint


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
    """Another server: of `small` disks, or of an `old` version."""
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


PROPERTIES_OF, BESIDE_OF = "the properties of ", "beside it: "
LOOK = f"""
select {literal(PROPERTIES_OF)} || row(of.*)::text, 0, '' from ({PROPERTIES}) of;
select {literal(BESIDE_OF)} || datname, 0, '' from pg_database where datname like {{}};
"""


def look(world: World, database: str, made: str = "") -> Look:
    """Look at a database, once the script that may make it has run."""
    found = world.db.fingerprint(database, made, LOOK.format(literal(database), literal(database + " %")))
    properties = [name for name in found if name.startswith(PROPERTIES_OF)]
    beside = {name.removeprefix(BESIDE_OF): name for name in found if name.startswith(BESIDE_OF)}
    for name in (*properties, *beside.values()):
        del found[name]
    return Look("".join(properties), set(beside), found)


def made(
    scene: Scene, mode: str, *, world: World | None = None, form: str = "", encrypted: bool = False,
    tablespace: str = "", live: bool = False, **changes: Any,
) -> Target:  # fmt: skip
    """Make a target that is empty, or has something that makes way, and the task that restores into it."""
    name = scene.spare.pop(mode, "") if world is None and not live else ""
    world, script = world or scene.world, ""
    if not name:
        name, where = f"target {next(scene.targets)}", f" tablespace {tablespace}" if tablespace else ""
        script = f"create database {identifier(name)} owner {USER} template template0{where};\n"
        if live or mode == REPLACE:
            script += f"\\connect {identifier(name)} {USER}\n{LIVE}{LIKENESS.format(identifier(name))}"
        if tablespace:
            script += "\\connect postgres postgres\ncheckpoint;\n"
    of = scene.stored(form or ("custom" if mode == REPLACE else "sql"), encrypted)
    fields = {"s3": world.s3(scene.store)} | changes
    task = replacing(world, of, name, **fields) if mode == REPLACE else world.restore(of, name, mode=mode, **fields)
    return Target(world, task, look(world, name, script))


@contextmanager
def kept(
    world: World, database: str, script: str, application: str, sessions: int = 1, user: str = "postgres"
) -> Iterator[None]:
    """Have sessions that do something and then sleep, within the block, or until their server ends."""
    psql = f'psql -X -U {user} -d "$0" -c "$1" -c "select pg_sleep(300)"'
    docker(
        "exec", "--detach", "--env", f"PGAPPNAME={application}", world.db.name, "sh", "-c",
        f"for i in $(seq {sessions}); do {psql} & done; wait", database, script,
    )  # fmt: skip
    session = f"from pg_stat_activity where application_name = {literal(application)}"
    sleeping = f"select count(*) {session} and query like 'select pg_sleep%'"
    wait_for(lambda: world.db.ask(sleeping) == [(sessions,)], application)
    try:
        yield
    finally:
        if running(world.db.name):
            world.db.sql("postgres", f"select pg_terminate_backend(pid) {session}")


def active(world: World, query: str) -> bool:
    sql = (
        f"select 1 from pg_stat_activity where state = 'active' and application_name = 'holdfast' and query ~ '{query}'"
    )
    return bool(world.db.ask(sql))


def until(pod: Pod, condition: Callable[[], bool], what: str) -> None:
    """Wait for it. Raises AssertionError where the Pod ends before."""

    def holds() -> bool:
        assert not any(line["event"] == "ended" for line in pod.lines), f"it ended before {what}: {pod.log}"
        return condition()

    wait_for(holds, what)


# What somebody's session does meanwhile, and what waits for it then. Nobody but a superuser may end a superuser's
# session, so the exchange of names waits for it; at first, it would be refused.
LATER = {
    "giving": ("begin; lock table orders in access share mode", "ALTER TABLE.*OWNER TO"),
    "switching": ("select 1", "ALTER DATABASE.*RENAME"),
}


@contextmanager
def standing(scene: Scene, stage: str, target: Target, **changes: Any) -> Iterator[Pod]:
    """Have the restore stand still at a stage while the block runs."""
    world = target.world
    if stage in LATER:
        with ExitStack() as stack:
            with standing(scene, "comparing", target, **changes) as pod:
                database, user = (target.name, "postgres") if stage == "switching" else (target.fed, USER)
                does, waits = LATER[stage]
                stack.enter_context(kept(world, database, does, f"keeps {stage}", user=user))
            until(pod, lambda: active(world, waits), f"a restore that stands at {stage}")
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
