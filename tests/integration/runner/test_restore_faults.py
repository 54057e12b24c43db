"""Each fault at each stage of a restore: the target is as before, or whole, and what is told says which."""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyrage
import pytest
from tests.integration.runner.fault_servers import FaultyStore
from tests.integration.runner.restore_faults import FAULTS
from tests.integration.runner.restore_scene import (
    CONNECTIONS,
    DISKS,
    FRESH,
    HEIR,
    ORIGIN,
    PART,
    WHOLE,
    Fault,
    Run,
    Scene,
    Target,
    look,
)
from tests.integration.runner.servers import USER, Postgres
from tests.integration.runner.world import World, assert_failed, secrets_in
from tests.stack.fingerprint import Fingerprint, differences

from holdfast.contract.task import BackupTask

IDENTITY = pyrage.x25519.Identity.generate()


@pytest.fixture(scope="module")
def mortal(world: World) -> Iterator[World]:
    settings = [f"max_connections={CONNECTIONS}"]
    server = Postgres(world.network, f"{world.network}-restored", settings=settings)
    server.sql("postgres", f"create role {HEIR}; grant {HEIR} to {USER}")
    yield replace(world, db=server, watched=True)
    server.remove()


@pytest.fixture(scope="module")
def origin(mortal: World) -> Fingerprint:
    mortal.db.create("origin")
    mortal.db.sql("origin", ORIGIN, USER)
    return mortal.db.fingerprint("origin")


@pytest.fixture(scope="module")
def faulty(world: World) -> Iterator[FaultyStore]:
    with FaultyStore(world, f"{world.network}-failing").running() as store:
        yield store


@pytest.fixture(scope="module")
def stored(mortal: World, origin: Fingerprint) -> Callable[[str, bool], BackupTask]:
    there: dict[tuple[str, bool], BackupTask] = {}

    def of(form: str, encrypted: bool) -> BackupTask:
        if (form, encrypted) not in there:
            task = mortal.backup("origin", form, recipients=[str(IDENTITY.to_public())] if encrypted else [])
            mortal.assert_backed_up(task, mortal.pod(task).run())
            there[form, encrypted] = task
        return there[form, encrypted]

    return of


@pytest.fixture(scope="module")
def aside(mortal: World) -> Iterator[Callable[[str], World]]:
    """A server of each kind, started when it is asked for."""
    there: dict[str, World] = {}

    def of(kind: str) -> World:
        if kind not in there:
            disks = DISKS if kind == "small" else {}
            options = [f"--tmpfs=/{disk}:size={size}m,mode=1777" for disk, size in disks.items()]
            version = "15" if kind == "old" else "17"
            server = Postgres(mortal.network, f"{mortal.network}-{kind}", version, options=options)
            there[kind] = replace(mortal, db=server)
            for disk in disks:
                server.shell(f"install -d -o postgres /{disk}/data")
                server.sql("postgres", f"create tablespace {disk} location '/{disk}/data'")
                server.sql("postgres", f"grant create on tablespace {disk} to {USER}")
        return there[kind]

    yield of
    for each in there.values():
        each.db.remove()


@pytest.fixture(scope="module")
def scene(
    mortal: World,
    faulty: FaultyStore,
    stored: Callable[[str, bool], BackupTask],
    aside: Callable[[str], World],
) -> Scene:
    return Scene(mortal, faulty, stored, {"key.txt": f"{IDENTITY}\n"}, aside, itertools.count(1))


def assert_told(fault: Fault, run: Run) -> None:
    """Exit code, reason and remedy, in report and log; what stays beside the target; no secret anywhere."""
    result = run.result
    assert secrets_in(run.processes + result.processes) == []
    for text in (run.processes, result.processes, result.log, result.inspected):
        assert not re.search("AGE-SECRET-KEY-1[A-Z0-9]", text)
    if fault.code == 0:
        assert result.exit_code == 0, result.log
        assert fault.says in result.log
        return
    if not fault.reason:
        assert (result.exit_code, result.report) == (fault.code, None), result.log
        assert secrets_in(result.log + result.inspected) == []
        return
    assert_failed(result, fault.code, fault.reason, *filter(None, [fault.says]))
    failure = result.failure
    assert "another backup" not in failure.remedy.replace("restore another backup", ""), "a remedy for backups"
    named = run.target.task.beside is not None and repr(run.target.task.beside.fresh) in failure.message
    assert (named and "DROP DATABASE" in failure.remedy) == (fault.left == FRESH), failure


def assert_target(target: Target, origin: Fingerprint, how: str, left: set[str]) -> None:
    """It is as before, or whole with what was there before beside it, or filled in part."""
    made_way = target.task.beside.old if target.task.beside is not None else ""
    now = look(target.world, target.name)
    assert now.properties == target.before.properties
    if how == WHOLE:
        assert differences(origin, now.content) == []
        if made_way:
            assert differences(target.before.content, target.world.db.fingerprint(made_way)) == []
    elif how == PART:
        assert differences(origin, now.content) != []
        assert differences(target.before.content, now.content) != []
    else:
        assert differences(target.before.content, now.content) == []
    assert now.beside == left | ({made_way} if how == WHOLE and made_way else set())


def assert_next(fault: Fault, run: Run, origin: Fingerprint) -> None:
    """The Pod that follows brings it to the end, or says why not."""
    assert run.next is not None
    result = run.next()
    if fault.next in (WHOLE, "found"):
        assert result.exit_code == 0, result.log
        assert result.report is not None
        assert result.report.restore is not None
        assert result.report.restore.found == (fault.next == "found")
    else:
        assert result.failure.reason == fault.next
    assert_target(run.target, origin, WHOLE if fault.next in (WHOLE, "found") else fault.target, set())


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, id=fault.name, marks=[] if fault.cut else [pytest.mark.matrix]) for fault in FAULTS],
)
def test_a_fault_leaves_the_target_as_before_or_whole_and_says_which(
    scene: Scene, origin: Fingerprint, fault: Fault, record_property: Callable[[str, object], None]
) -> None:
    run = fault.act(scene)
    assert_told(fault, run)
    fresh = run.target.task.beside.fresh if run.target.task.beside is not None else ""
    assert_target(run.target, origin, fault.target, {fresh} if fault.left == FRESH else set())
    if fault.next:
        assert_next(fault, run, origin)
    told = f"exit {run.result.exit_code}, {fault.reason or 'no report'}" if fault.code else "restored in spite of it"
    record_property("came of it:", f"{told}; the target is {fault.target}; beside it: {fault.left}")
    if (
        not (fault.target == WHOLE or fault.next or fault.left == FRESH)
        and run.target.world is scene.world
        and "empty" not in fault.what
    ):
        scene.spare[fault.mode] = run.target.name
