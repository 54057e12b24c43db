"""Each fault at each stage of a backup: what came of it, as a whole."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.integration.runner.fault_servers import FaultyStore
from tests.integration.runner.faults import UNKNOWN, Fault, Run, Scene
from tests.integration.runner.faults_page import EVERY
from tests.integration.runner.servers import USER, Postgres
from tests.integration.runner.world import World, assert_failed, assert_no_secret, secrets_in

from holdfast.contract.paths import POD_UID_VARIABLE


@pytest.fixture(scope="module")
def faulty(world: World) -> Iterator[FaultyStore]:
    with FaultyStore(world, f"{world.network}-faulty").running() as store:
        yield store


@pytest.fixture(scope="module")
def other_server(world: World) -> Iterator[Callable[[], World]]:
    """A server that may be killed, with a database whose dump takes a while."""
    made: list[World] = []

    def make() -> World:
        if not made:
            server = Postgres(world.network, f"{world.network}-mortal")
            made.append(replace(world, db=server, watched=True))
            server.create("noise")
            server.sql(
                "noise",
                "select format('create table noise_%s as select i, md5(i::text) || md5((i * 7)::text) as words "
                "from generate_series(1, 400000) i', job) from generate_series(1, 4) job \\gexec",
                USER,
            )
        return made[0]

    yield make
    for each in made:
        each.db.remove()


@pytest.fixture
def scene(
    world: World,
    big: str,
    faulty: FaultyStore,
    other_server: Callable[[], World],
    request: pytest.FixtureRequest,
) -> Scene:
    return Scene(replace(world, watched=True), big, faulty, other_server, request.getfixturevalue)


@pytest.fixture(scope="module")
def looks() -> list[bool]:
    """For each fault, whether processes of its Pod were seen."""
    return []


def assert_whole_outcome(world: World, fault: Fault, run: Run) -> None:
    """Exit code, report, remedy, manifest, bucket and secrets: all of what a fault may spoil."""
    task, result = run.task, run.result
    assert secrets_in(run.processes + result.processes) == []
    if fault.code == 0:
        world.assert_backed_up(task, result)
        return
    if fault.reason:
        assert_failed(result, fault.code, fault.reason, fault.says)
        assert result.report is not None
        assert result.report.backup is None
        assert result.report.clean == (fault.left == "nothing"), result.log
    else:
        assert (result.exit_code, result.report) == (fault.code, None), result.log
        assert secrets_in(result.log + result.inspected) == []
    if fault.left == "a finished backup":
        assert_cleaned(world, run, "stays")
        manifest = world.manifest(task)
        assert sorted(world.store.keys(task.key_prefix)) == [*manifest.objects(), f"{task.key_prefix}manifest.json"]
        return
    assert f"{task.key_prefix}manifest.json" not in world.store.keys(task.key_prefix)
    if fault.left != "nothing":
        keys, uploads = world.store.keys(task.key_prefix), world.store.uploads(task.key_prefix)
        assert (len(keys), len(uploads)) == {"an object": (1, 0), "an upload": (0, 1), UNKNOWN: (0, 0)}[fault.left]
        assert_cleaned(world, run, "")
    world.assert_nothing_left(task)


def assert_cleaned(world: World, run: Run, says: str) -> None:
    """The operator's cleanup, when the store serves again."""
    cleanup = world.cleanup(run.task).model_copy(update={"s3": world.s3()})
    cleaned = world.pod(cleanup, database_secret=None).run()
    assert cleaned.exit_code == 0, cleaned.log
    assert cleaned.report is not None
    assert says in (cleaned.report.message or "")
    assert_no_secret(cleaned)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, id=fault.name, marks=[] if fault.cut else [pytest.mark.matrix]) for fault in EVERY],
)
def test_a_fault_ends_as_the_table_says(
    scene: Scene, fault: Fault, looks: list[bool], record_property: Callable[[str, object], None]
) -> None:
    run = fault.act(scene)
    looks.append(POD_UID_VARIABLE in run.result.processes)
    assert_whole_outcome(scene.world, fault, run)
    told = f"exit {run.result.exit_code}, {fault.reason or 'no report'}" if fault.code else "a backup in spite of it"
    record_property("came of it:", f"{told}; left behind: {fault.left}")


def test_the_processes_of_most_faults_were_seen(looks: list[bool]) -> None:
    """A Pod that ends at once is gone before anybody can look; of the others each phase is."""
    if len(looks) < 10:
        pytest.skip("after a run of all faults")
    assert sum(looks) > len(looks) * 3 / 4, f"{sum(looks)} of {len(looks)}"
