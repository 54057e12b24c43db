"""The definitions (CRDs) are removed under a running operator, in the docs' order or in the wrong one, and come back.

Only in the matrix: it takes every resource of Holdfast's out of the cluster, whoever made it.
"""

import re
import subprocess
from pathlib import Path

import pytest
from tests.e2e.world import BACKUPS, POLICIES, World, backup, until

PAGE = Path(__file__).parents[2] / "docs/how-to/upgrade-and-uninstall.md"
CRDS = Path(__file__).parents[2] / "crds"

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(500, func_only=True)]


def commands(word: str) -> str:
    """The commands of the docs' block that has this word."""
    blocks = re.findall(r"```(?:sh|shell)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (found,) = [block for block in blocks if word in block]
    return found


def defined(world: World, crd: str) -> bool:
    return world.kubectl("get", "crd", crd, "--ignore-not-found", "-o", "name") != ""


def two_backups(world: World, name: str) -> dict[str, str]:
    """Given two good ones of a policy, one of which is to take its data along; return where they lie."""
    world.apply(world.policy(world.backups, name))
    world.apply(
        backup(world.backups, f"{name}-goes", name, deletionPolicy="Delete"),
        backup(world.backups, f"{name}-stays", name),
    )
    return {which: world.finished(world.backups, f"{name}-{which}")["location"] for which in ("goes", "stays")}


def put_back(world: World) -> None:
    world.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    world.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))


def works_again(world: World, name: str) -> None:
    """The operator takes a backup, though it had been left without what it watches."""
    world.apply(world.policy(world.backups, name), backup(world.backups, name))
    assert world.finished(world.backups, name, timeout=400)["phase"] == "Succeeded"


def test_in_the_order_of_the_docs_what_is_to_go_goes_and_the_rest_stays_in_the_store(world: World):
    lies = two_backups(world, "in-order")
    removing = [line for line in commands("delete crd").splitlines() if "delete crd" in line]
    assert [line.split()[-1] for line in removing] == [BACKUPS, POLICIES]
    try:
        for line in removing:
            world.kubectl(*line.split()[1:], "--timeout=90s", timeout=100)

        assert world.keys(lies["goes"]) == {}
        assert any(key.endswith("manifest.json") for key in world.keys(lies["stays"]))
    finally:
        put_back(world)
    works_again(world, "after-order")


def test_where_the_policies_go_first_the_command_of_the_docs_lets_the_rest_go(world: World):
    lies, ended = two_backups(world, "wrong-order"), restarts(world)
    try:
        world.kubectl("delete", "crd", POLICIES, "--timeout=90s", timeout=100)
        until(lambda: restarts(world), lambda count: count > ended, 120)  # no operator goes on without the policies
        world.kubectl("delete", "crd", BACKUPS, "--wait=false")
        held = world.kubectl("get", BACKUPS, "-n", world.backups, "-o", "name").split()
        assert held == ["databasebackup.holdfast.dev/wrong-order-goes"]

        here = f'kubectl() {{ command {" ".join(world.kubectl.argv)} "$@"; }}\n'
        command = here + commands("holdfast.dev/data")
        subprocess.run(["bash", "-c", command], env=world.kubectl.environment, check=True, timeout=60)

        until(lambda: defined(world, BACKUPS), lambda there: not there, 60)
        assert all(world.keys(lies[which]) for which in lies), "nobody was there to delete it: it is told where it lies"
    finally:
        put_back(world)
    works_again(world, "after-wrong-order")


def restarts(world: World) -> int:
    path = "jsonpath={.items[*].status.containerStatuses[*].restartCount}"
    return sum(map(int, world.kubectl("get", "pods", "-n", world.operator, "-o", path).split()))
