"""The pasted restore on a cluster that is not idle: its Pod is refused, waits for a node, fails; and it says so."""

import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.e2e.installation import RUNNER
from tests.e2e.kubectl import KubectlError
from tests.e2e.world import BACKUPS, Manifest, World, backup, until
from tests.stack.postgres import secret

from holdfast.process.paste import commands

RULE = f"demands-a-team-{secrets.token_hex(3)}"
NODE_LABEL = f"paste-{secrets.token_hex(3)}"

pytestmark = pytest.mark.timeout(240, func_only=True)


class Paste:
    """A shell that runs what is pasted, and what it has said so far."""

    def __init__(self, world: World, commands: str, **variables: str) -> None:
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self.process = subprocess.Popen(
            ["bash", "-c", commands], env={**os.environ, **world.kubectl.environment, **variables}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))

    def says(self, words: str, seconds: float = 60) -> str:
        """Wait until a line has these words, and return it."""
        until_ = time.monotonic() + seconds
        while time.monotonic() < until_:
            with suppress(queue.Empty):
                self.said.append(self._lines.get(timeout=0.5))
                if words in self.said[-1]:
                    return self.said[-1]
        raise AssertionError(f"not said within {seconds:.0f} s: {words}; but: {self.said}")

    def ends(self, seconds: float = 90) -> int:
        code = self.process.wait(seconds)
        self._reader.join(10)
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return code

    def stop(self) -> None:
        """End the shell and what it runs, as somebody's Ctrl-C does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.ends(10)


@contextmanager
def pasted(world: World, commands: str, **variables: str) -> Iterator[Paste]:
    paste = Paste(world, commands, **variables)
    try:
        yield paste
    finally:
        paste.stop()
        for job in [line.split()[0] for line in paste.said if line.startswith("job.batch/")]:
            world.kubectl("delete", "-n", world.backups, job, "--ignore-not-found", "--wait=false")


def demand_a_team(world: World) -> list[Manifest]:
    """An administrator's rule: Pods of restores in this namespace say whose they are."""
    selected = {"matchLabels": {"kubernetes.io/metadata.name": world.backups}}
    kind = "admissionregistration.k8s.io/v1"
    return [
        {"apiVersion": kind, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": RULE}, "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": selected,
                "objectSelector": {"matchLabels": {"holdfast.dev/task": "restore"}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ],
            },
            "validations": [{"expression": "'team' in object.metadata.labels", "message": "each Pod has a team"}],
        }},
        {"apiVersion": kind, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": RULE}, "spec": {
            "policyName": RULE, "validationActions": ["Deny"],
        }},
    ]  # fmt: skip


def label_node(world: World, value: str | None) -> None:
    node = world.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    world.kubectl("label", "node", node, "--overwrite", f"{NODE_LABEL}={value}" if value else f"{NODE_LABEL}-")


@pytest.fixture(scope="module")
def taken(world: World) -> Iterator[str]:
    """What to paste for a backup whose policy gives its Pods a team and a kind of node."""
    label_node(world, "yes")
    job = {"podLabels": {"team": "payments"}, "nodeSelector": {NODE_LABEL: "yes"}}
    database = world.a_database("pasted")
    world.apply(world.policy(world.backups, "pasted", {"job": job, "database": {"name": database}}))
    world.apply(*demand_a_team(world), backup(world.backups, "pasted"))
    try:
        status = world.finished(world.backups, "pasted")
        assert status["phase"] == "Succeeded", status
        yield commands(json.dumps(world.get(BACKUPS, world.backups, "pasted")).encode(), RUNNER)
    finally:
        label_node(world, None)
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            world.kubectl("delete", kind, RULE, "--ignore-not-found")


@pytest.fixture
def target(world: World) -> str:
    """An empty database."""
    world.psql("drop database if exists pasted_copy with (force)")
    world.psql("create database pasted_copy")
    return "pasted_copy"


def rows(world: World, database: str) -> str:
    return world.psql("select count(*) from customers", database).strip()


def test_a_pod_without_a_label_that_admission_demands_is_told_and_the_policys_own_is_let_in(
    world: World, taken: str, target: str
):
    # Given a restore from which somebody took the policy's label, once the rule is in force
    without = taken.replace('"team":"payments",', "")
    assert without != taken

    def refused() -> str:
        with pasted(world, without, TARGET_DATABASE=target) as paste:
            return paste.says("Waits for its Pod")

    # Then why its Pod is refused is told
    told = until(refused, lambda line: "each Pod has a team" in line, 60)
    assert "Error creating" in told
    world.psql(f"drop database {target} with (force)")
    world.psql(f"create database {target}")

    # And the restore as it is written goes through, and ends well
    with pasted(world, taken, TARGET_DATABASE=target) as paste:
        assert paste.ends() == 0, paste.said
    assert paste.said[-1] == "Restored."
    assert rows(world, target) == "500"


def test_a_restore_whose_pod_waits_for_a_node_says_so_and_goes_on_when_there_is_one(
    world: World, taken: str, target: str
):
    label_node(world, None)
    try:
        with pasted(world, taken, TARGET_DATABASE=target) as paste:
            paste.says("node(s) didn't match Pod's node affinity/selector")
            assert paste.process.poll() is None
            label_node(world, "yes")
            assert paste.ends() == 0, paste.said
    finally:
        label_node(world, "yes")
    assert any('"event": "started"' in line for line in paste.said), "the restore's own log is shown"
    assert rows(world, target) == "500"


def test_a_restore_that_fails_ends_with_the_reason_and_what_to_do(world: World, taken: str, target: str):
    world.apply(secret(world.backups, "pasted-wrong", {"username": "orders", "password": "guessed"}))
    began = time.monotonic()
    with pasted(world, taken, TARGET_DATABASE=target, TARGET_SECRET="pasted-wrong") as paste:
        assert paste.ends() == 1, paste.said
    assert paste.said[-1].startswith("It failed: AuthenticationFailed: ")
    assert "What to do: check the user's name and password in the Secret" in paste.said[-1]
    assert time.monotonic() - began < 45
    assert "another container" not in "".join(paste.said)


def test_who_may_make_no_jobs_reads_the_servers_own_words_at_once(world: World, taken: str, tmp_path: Path):
    token = world.kubectl("create", "token", "default", "-n", world.backups).strip()
    config = tmp_path / "kubeconfig"
    shutil.copy(world.kubectl.argv[1].removeprefix("--kubeconfig="), config)
    for words in (["set-credentials", "nobody", f"--token={token}"], ["set-context", "--current", "--user=nobody"]):
        subprocess.run(["kubectl", f"--kubeconfig={config}", "config", *words], check=True, capture_output=True,
                       env=world.kubectl.environment)  # fmt: skip
    with pasted(world, taken, KUBECONFIG=str(config)) as paste:
        assert paste.ends(30) == 1
    [line] = paste.said
    assert "Forbidden" in line
    assert 'cannot create resource "jobs"' in line
    with pytest.raises(KubectlError, match="NotFound"):
        world.get("job", world.backups, "restore-")
