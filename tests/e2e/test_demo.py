"""The demo's promise: what it leaves behind is a backup that restores by what it says, to equal content."""

import io
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from tests import stack
from tests.cluster.api import Cluster
from tests.demo import restored, scheduled, summary, watch
from tests.demo.errors import DemoError
from tests.demo.narrator import Narrator
from tests.demo.scene import BACKUPS, DATABASE, EMPTY_DATABASE, FIRST, POLICIES, SCHEDULED, Scene
from tests.demo.summary import Block
from tests.stack.fingerprint import Fingerprint

pytestmark = pytest.mark.timeout(400, func_only=True)


@pytest.fixture(scope="module")
def scene(cluster: Cluster, crds: None) -> Iterator[Scene]:
    """The demo's pieces in namespaces of its own, with less of the sample, up to where the backup is asked for."""
    name = f"demo-{secrets.token_hex(3)}"
    scene = Scene(cluster, release=name, namespace=f"{name}-data", scale=0.05, definitions=False)
    scene.select()
    scene.deliver_images()
    try:
        scene.install()
        scene.start_servers()
        assert scene.load_sample()
        scheduled.begin(scene)  # so that its minutes pass while the other tests run
        yield scene
    finally:
        scene.uninstall()


@pytest.fixture(scope="module")
def original(scene: Scene) -> Fingerprint:
    """What is in the database that is backed up."""
    return stack.fingerprint(scene.namespace, DATABASE)


@pytest.fixture
def told() -> Narrator:
    """A narrator whose words can be read."""
    return Narrator(Console(file=io.StringIO(), soft_wrap=True, highlight=False))


def words(narrator: Narrator) -> str:
    assert isinstance(narrator.console.file, io.StringIO)
    return narrator.console.file.getvalue()


def paste(blocks: list[Block], wanted: str, folder: Path, shell: str = "bash") -> str:
    """What a person sees who pastes the first block, and then the one that begins so, into a fresh shell."""
    block = next(block for block in blocks if block.what.startswith(wanted))
    script = f"set -eu\n{blocks[0].commands}\n{block.commands}"
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [shell], input=script, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_demo_ends_with_a_backup_that_restores_by_pasting_to_equal_content(
    scene: Scene, original: Fingerprint, told: Narrator, tmp_path: Path
):
    # Given the example is applied, and its backup has succeeded before the eyes of whoever watches
    name = scene.request_backup()
    status = watch.to_the_end(scene, name, told)
    assert status["phase"] == "Succeeded"

    # When exactly what the demo says is pasted
    blocks = summary.next_commands(scene, name)
    seen = paste(blocks, "Restore it", tmp_path)

    # Then the empty database equals the original in every table, sequence, view, index and large object
    assert "Succeeded" in seen
    assert "revenue" in seen
    assert len([what for what in original if what.startswith("table ")]) == 8
    assert stack.differences(original, stack.fingerprint(scene.namespace, EMPTY_DATABASE)) == []


def test_a_table_that_was_dropped_comes_back_and_the_rest_with_it(scene: Scene, original: Fingerprint, told: Narrator):
    name = scene.request_backup()
    watch.to_the_end(scene, name, told)

    restored.a_table_comes_back(scene, name, told)

    assert stack.differences(original, stack.fingerprint(scene.namespace, DATABASE)) == []
    assert "kind: DatabaseRestore" in words(told)


def test_the_demo_run_again_takes_a_further_backup_and_leaves_the_first_alone(scene: Scene, told: Narrator):
    scene.request_backup()
    watch.to_the_end(scene, FIRST, told)
    before = scene.backup(FIRST)

    scene.install()
    assert not scene.load_sample()
    name = scene.request_backup()
    assert watch.to_the_end(scene, name, told)["phase"] == "Succeeded"
    assert name != FIRST
    why = "keptBecause"  # it is not the newest any more, and says so
    after = scene.backup(FIRST)["status"]
    assert after | {why: None} == before["status"] | {why: None}


def test_the_summary_shows_kubectl_the_status_and_the_bucket_and_no_secret(scene: Scene, told: Narrator):
    scene.request_backup()
    status = watch.to_the_end(scene, FIRST, told)
    summary.result(scene, FIRST, status, told)
    summary.what_next(scene, FIRST, told)
    text = words(told)
    for fact in (status["backupID"], status["sha256"], "manifest.json", "SIZE", "Succeeded", "kubectl explain"):
        assert fact in text
    for secret in ("correct horse", "staple %41", "holdfast-secret-key"):
        assert secret not in text


def test_the_wrong_password_that_one_is_invited_to_try_reads_as_it_should(scene: Scene, told: Narrator, tmp_path: Path):
    scene.request_backup()
    watch.to_the_end(scene, FIRST, told)
    created = paste(summary.next_commands(scene, FIRST), "Give a wrong password", tmp_path)
    name = created.split("databasebackup.holdfast.dev/")[1].split()[0]

    with pytest.raises(DemoError, match=r"AuthenticationFailed.*the user in Secret wrong, key username") as error:
        watch.to_the_end(scene, name, told)
    assert "guessed" not in str(error.value)
    assert scene.backup(name)["status"]["failure"]["exitCode"] == 3


def test_the_schedule_shows_two_backups_why_one_is_kept_and_that_the_others_data_leaves_the_bucket(
    scene: Scene, told: Narrator
):
    # Given two backups by the schedule, before the eyes of whoever watches
    scheduled.two_backups(scene, told)
    there = scheduled.good(scene)
    last = there[-1]["metadata"]["name"]
    folders = {body["metadata"]["name"]: scheduled.folder(body) for body in there}
    before = summary.objects(scene)
    assert all(f"{folder}manifest.json" in before for folder in folders.values())

    # When what is planned is told, and done
    scheduled.a_deletion(scene, told)

    # Then the last one is all that is left of them, whole, and of the others' data the bucket has nothing
    assert [body["metadata"]["name"] for body in scheduled.good(scene)] == [last]
    left = {key for key in summary.objects(scene) if any(key.startswith(folder) for folder in folders.values())}
    assert left == {key for key in before if key.startswith(folders[last])}
    assert len(left) == 3
    said = words(told)
    assert f"{last} is kept: last 1" in said
    assert all(f"{name} would go: " in said for name in folders if name != last)
    assert said.count(folders[last]) > said.count(folders[there[0]["metadata"]["name"]]) > 0, (
        "gone from the second list"
    )

    # and it makes no more
    assert "nextRuns" not in stack.kubectl("get", POLICIES, SCHEDULED, "-n", scene.namespace, "-o=yaml")


@pytest.fixture(scope="module")
def at_rest(scene: Scene) -> None:
    """Nobody reads the database: PostgreSQL copies it as a template only then."""
    scheduled.suspend(scene)
    stack.kubectl("wait", BACKUPS, "--all", "-n", scene.namespace, "--for=condition=Finished", "--timeout=60s")


@pytest.mark.usefixtures("at_rest")
@pytest.mark.parametrize(("change", "noticed"), [
    pytest.param("update audit_log set actor = actor || ' ' where id = 7", "table public.audit_log", id="one row"),
    pytest.param("delete from contracts", "table public.contracts", id="a missing row"),
    pytest.param("select nextval('invoice_number')", "sequence public.invoice_number", id="a sequence's value"),
    pytest.param("drop index orders_open", "index public.orders_open", id="an index"),
    pytest.param("create or replace view revenue_by_month as select localtimestamp as month, ''::text as country_code, "
                 "1::numeric as revenue", "view public.revenue_by_month", id="a view"),
    pytest.param("select lo_put(document, 0, 'X') from contracts", "large object", id="a large object"),
    pytest.param("alter table order_items drop constraint order_items_order_id_fkey",
                 "constraint order_items_order_id_fkey of public.order_items", id="a foreign key"),
    pytest.param("alter table products alter sku drop not null", "columns of public.products", id="a column"),
    pytest.param("comment on table orders is null", "comment on public.orders", id="a comment"),
])  # fmt: skip
def test_equality_is_more_than_said_each_difference_is_noticed(
    scene: Scene, original: Fingerprint, change: str, noticed: str
):
    stack.psql(scene.namespace, DATABASE, "drop database if exists twin; create database twin template orders")
    stack.psql(scene.namespace, DATABASE, change, "twin")
    found = stack.differences(original, stack.fingerprint(scene.namespace, DATABASE, "twin"))
    assert any(line.startswith(noticed) for line in found)
    assert len(found) <= 2
