"""MySQL and MariaDB replace a database in one step: all of it comes, the old one stays, and it is put back whole."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.runner.containers import docker, wait_for
from tests.integration.runner.mysql_faults import NOISE
from tests.integration.runner.mysql_server import (
    RESTORER,
    RESTORER_SECRET,
    MySQLServer,
    identifier,
    pattern,
)
from tests.integration.runner.pod import Pod
from tests.integration.runner.test_mysql_round_trip import backed_up
from tests.integration.runner.world import World, assert_failed, assert_no_secret
from tests.stack.fingerprint import differences

from holdfast.api.restoring import RestoreMode
from holdfast.contract.task import BackupTask, Beside, DropTask, RestoreIdentity, SwapBackTask

CHANGED = """
create table later (i int primary key);
drop trigger if exists count_lines;
create view view_of_later as select * from later;
create procedure of_later() select 1;
"""
IDENTITY = RestoreIdentity(uid="1", namespace="shop", name="undo")


class Target:
    """A copy of the sample that is backed up, changed and replaced."""

    def __init__(self, world: World, server: MySQLServer, more: str = "") -> None:
        self.world, self.server = world, server
        self.name = f"live_{uuid.uuid4().hex[:8]}"
        self.names = Beside(fresh=f"{self.name}_restoring_1", old=f"{self.name}_before_1")
        server.create_sample(self.name)
        if more:
            server.sql(more, self.name)
        self.task: BackupTask = server.backup(world, self.name)
        backed_up(world, server, self.task)
        self.backed_up = server.fingerprint(self.name)
        server.sql(CHANGED, self.name)
        self.before = server.fingerprint(self.name)

    def let_replace(self) -> None:
        """Grant what docs/how-to/back-up-mysql.md says."""
        self.server.let_replace(self.name)

    def pod(self, task: Any) -> Pod:
        return self.world.pod(task, image=self.server.family.runner, database_secret=RESTORER_SECRET)

    def restore(self) -> Pod:
        fields = {"database": self.task.database, "mode": RestoreMode.REPLACE, "beside": self.names}
        return self.pod(self.world.restore(self.task, self.name).model_copy(update=fields))

    def swap_back(self, kept: str, old: str) -> Pod:
        fields = {"database": self.task.database, "restore": IDENTITY, "deadline_seconds": 120}
        return self.pod(SwapBackTask(kept=kept, old=old, **fields))

    def drop(self, *names: str) -> Pod:
        return self.pod(DropTask(names=list(names), database=self.task.database, restore=IDENTITY, deadline_seconds=60))

    def schemas(self) -> list[str]:
        return self.server.schemas(self.name)

    def assert_as_before(self) -> None:
        assert differences(self.before, self.server.fingerprint(self.name)) == []
        assert self.schemas() == [self.name]


@pytest.fixture
def target(world: World, server: MySQLServer, request: pytest.FixtureRequest) -> Iterator[Target]:
    phase = request.node.callspec.params.get("phase")
    made = Target(world, server, NOISE if phase == "restoring" else "")
    yield made
    for name in made.schemas():
        server.drop(name)


def reaches(target: Target, pod: Pod, phase: str) -> None:
    """Wait for a phase; for the restoring itself until the rows of its biggest table are on their way."""
    if phase != "restoring":
        pod.wait_for_phase(phase)
        return
    question = f"select 1 from information_schema.tables where table_schema = '{target.names.fresh}' and "
    wait_for(lambda: target.server.sql(f"{question} table_name = 'noise'"), "the table whose rows take a while")


def test_it_is_replaced_found_put_back_and_removed(target: Target) -> None:
    target.let_replace()
    result = target.restore().run()
    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.restore is not None
    assert (result.report.restore.replaced, result.report.restore.found) == (target.names.old, False)
    assert result.report.restore.switch_seconds is not None
    assert differences(target.backed_up, target.server.fingerprint(target.name)) == []
    assert target.schemas() == [target.name, target.names.old]

    again = target.restore().run()
    assert again.report is not None
    assert again.report.restore is not None
    assert again.report.restore.found

    undone = f"{target.name}_undone_1"
    back = target.swap_back(target.names.old, undone).run()
    assert back.exit_code == 0, back.log
    assert differences(target.before, target.server.fingerprint(target.name)) == []
    assert target.schemas() == [target.name, undone]
    assert target.drop(undone, target.names.old).run().exit_code == 0
    target.assert_as_before()


def test_without_the_rights_nothing_begins_and_the_grants_are_told(target: Target) -> None:
    target.server.let_restore(target.name)
    result = target.restore().run()
    assert_failed(result, 1, "TargetNotReady", target.names.fresh)
    assert "GRANT ALL ON" in result.failure.remedy
    target.assert_as_before()


@pytest.mark.matrix  # it waits for half a minute
def test_a_client_that_keeps_a_lock_is_told_and_all_stays(target: Target) -> None:
    target.let_replace()
    with target.server.session("begin; select * from later; select sleep(300);", target.name):
        result = target.restore().run()
    assert_failed(result, 3, "SwitchFailed", "stayed locked")
    target.assert_as_before()


@pytest.mark.matrix
def test_an_artifact_with_a_flipped_bit_leaves_the_target_as_it_was(target: Target) -> None:
    target.let_replace()
    target.world.alter(target.task)
    assert_failed(target.restore().run(), 5, "ChecksumMismatch")
    target.assert_as_before()


@pytest.mark.matrix
@pytest.mark.parametrize("phase", ["restoring", "comparing", "switching"])
def test_killed_the_next_pod_brings_it_to_the_end(target: Target, phase: str) -> None:
    target.let_replace()
    pod = target.restore().start()
    reaches(target, pod, phase)
    pod.kill()
    pod.result()
    result = target.restore().run()
    assert result.exit_code == 0, result.log
    assert differences(target.backed_up, target.server.fingerprint(target.name)) == []
    assert target.schemas() == [target.name, target.names.old]


@pytest.mark.matrix
@pytest.mark.parametrize("phase", ["validating", "restoring", "comparing", "switching"])
def test_its_server_gone_the_target_is_as_before_until_the_switch_and_the_next_pod_brings_it_to_the_end(
    target: Target, phase: str
) -> None:
    target.let_replace()
    pod = target.restore().start()
    reaches(target, pod, phase)
    docker("kill", target.server.name)
    try:
        ended = pod.result()
    finally:
        docker("start", target.server.name)
        wait_for(target.server.answers, f"{target.server.name} to be back", 90)
    assert_no_secret(ended)
    assert ended.exit_code in (3, 7) or (phase == "switching" and ended.exit_code == 0), ended.log  # it may be too late
    if ended.exit_code:
        assert "create another backup" not in ended.failure.remedy
        assert len(ended.failure.remedy) > 20
    if phase != "switching":
        assert differences(target.before, target.server.fingerprint(target.name)) == []
    result = target.restore().run()
    assert result.exit_code == 0, result.log
    assert differences(target.backed_up, target.server.fingerprint(target.name)) == []
    assert target.schemas() == [target.name, target.names.old]


@pytest.mark.matrix
def test_foreign_keys_of_another_database_are_refused_by_name(target: Target) -> None:
    target.let_replace()
    other = f"{target.name}_other"
    target.server.create(other)
    target.server.sql(
        f"create table child (i int, foreign key (i) references {identifier(target.name)}.later (i))", other
    )
    target.server.grant(f"ALL ON {pattern(other)}.*", RESTORER)
    assert_failed(target.restore().run(), 1, "TargetNotReady", f"{other}.child")
    target.server.drop(other)
    target.assert_as_before()
