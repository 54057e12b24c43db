"""The pipelines of the how-to pages, from their own text: each with a migration that works and one that fails."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests import gitops, yaml_text
from tests.cluster import tools
from tests.cluster.settings import from_environment
from tests.cluster.steps import Steps
from tests.e2e.migrating import BAD, GOOD, Shop, a_shop, migrates
from tests.e2e.world import BACKUPS, POLICIES, RESTORES, World

pytestmark = pytest.mark.timeout(300, func_only=True)

PAGES = Path(__file__).parents[2] / "docs/how-to"
# What a page calls the policy, which a test has another name for.
POLICY = "holdfast.dev/backup-first: orders"
# In `make test` stands what fails: it has all that a migration that works has, but its end.
ENDS = [
    pytest.param(GOOD, 0, id="works", marks=pytest.mark.matrix),
    pytest.param(BAD, 1, id="fails, and is rolled back"),
]


def block(page: str, language: str) -> str:
    """The first block of a page in this language."""
    found = re.search(rf"```{language}\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)
    assert found
    return found[1]


def the_job(page: str, shop: Shop, sql: str) -> dict[str, Any]:
    """The Job of a page, for a database of the test's own."""
    job = yaml_text.load(block(page, "yaml").replace(POLICY, POLICY.replace("orders", shop.name)))
    job["metadata"]["namespace"] = shop.namespace
    return migrates(job, shop.world.host, shop.name, sql)


def run(script: str, shop: Shop, folder: Path, helm: tools.Tool | None = None) -> subprocess.CompletedProcess[str]:
    """Run a page's script as a pipeline would: with a kubeconfig of its own, and a helm called helm."""
    kubectl = shop.world.kubectl
    config = folder / "kubeconfig"
    config.write_text(kubectl("config", "view", "--raw", "--flatten", "--minify"))
    path = f"{folder}:{kubectl.environment.get('PATH', os.environ['PATH'])}"
    if helm is not None:
        settings = from_environment()
        tools.ensure(settings, [helm], Steps(1))
        (folder / "helm").symlink_to(settings.tools_dir / helm.name)
    for flag in ("-n", "--namespace"):
        script = script.replace(f"{flag} shop", f"-n {shop.namespace}")
    environment = {**kubectl.environment, "PATH": path, "KUBECONFIG": str(config)}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.parametrize(("sql", "code"), [*ENDS, pytest.param(None, 2, id="no backup", marks=pytest.mark.matrix)])
def test_a_script_tells_by_its_exit_code_what_came_of_the_migration(
    world: World, tmp_path: Path, sql: str | None, code: int
):
    # Given the page's Job and its script
    changes = {"storage": {"s3": {"bucket": "no-such-bucket"}}} if sql is None else {}
    shop = a_shop(world, f"script-{code}", changes)
    before = world.fingerprint(shop.name)
    (tmp_path / "migrate.yaml").write_text(json.dumps(the_job("migrate-from-a-ci-script.md", shop, sql or GOOD)))

    # When it runs
    done = run(block("migrate-from-a-ci-script.md", "sh"), shop, tmp_path)

    # Then its exit code is what the page says, and the database is migrated, or as it was
    assert done.returncode == code, done.stderr
    assert (world.fingerprint(shop.name) == before) is (code != 0)
    said = {0: "", 1: "the migration has failed, and is rolled back", 2: "bucket no-such-bucket at"}[code]
    assert said in done.stderr


HELM = block("migrate-with-helm.md", "yaml").partition("    spec:\n      restartPolicy")[0]


def a_chart(folder: Path, shop: Shop, version: str, sql: str) -> None:
    """A chart with the page's hook, and something that an upgrade changes."""
    pod: dict[str, Any] = {"restartPolicy": "Never", "containers": [{"name": "migrate"}]}
    migrates({"spec": {"template": {"spec": pod}}}, shop.world.host, shop.name, sql)
    app = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": {"version": version}}
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(
        json.dumps({"apiVersion": "v2", "name": "chart", "version": f"{version}.0", "appVersion": version})
    )
    (folder / "templates/app.yaml").write_text(json.dumps(app))
    hook = HELM.replace(POLICY, POLICY.replace("orders", shop.name))
    (folder / "templates/migrate.yaml").write_text(f"{hook}    spec: {json.dumps(pod)}\n")


@pytest.mark.parametrize("helm", [pytest.param(tools.HELM3, marks=pytest.mark.matrix), tools.HELM4], ids=["3", "4"])
@pytest.mark.parametrize(("sql", "code"), ENDS)
def test_helm_waits_for_the_hook_and_the_script_for_its_rollback(
    world: World, tmp_path: Path, helm: tools.Tool, sql: str, code: int
):
    # Given a release of the first version
    shop = a_shop(world, f"{helm.name}-{code}")
    before = world.fingerprint(shop.name)
    a_chart(tmp_path / "chart", shop, "1.0", GOOD)
    installed = run("helm install orders ./chart --namespace shop", shop, tmp_path, helm)
    assert installed.returncode == 0, installed.stderr
    try:
        # When it is upgraded
        a_chart(tmp_path / "chart", shop, "2.0", sql)
        (tmp_path / "helm").unlink()
        done = run(block("migrate-with-helm.md", "sh"), shop, tmp_path, helm)

        # Then either all of it is new, or nothing
        assert done.returncode == code, done.stderr
        app = world.get("configmap", shop.namespace, "app")["data"]["version"]
        assert (app, world.fingerprint(shop.name) == before) == (("2.0", False) if code == 0 else ("1.0", True))
        assert ("is rolled back: databaserestore" in done.stderr) is (code == 1)
        assert shop.before("orders-migrate")["spec"]["release"]["revision"] == "2.0"
    finally:
        (tmp_path / "helm").unlink()
        run("helm uninstall orders --namespace shop && kubectl delete job orders-migrate -n shop", shop, tmp_path, helm)


@pytest.mark.matrix
@pytest.mark.parametrize("page", ["migrate-with-argo-cd.md", "migrate-with-flux.md"])
@pytest.mark.parametrize(("sql", "code"), ENDS)
def test_what_a_tool_applies_from_git_is_held_released_and_rolled_back_and_each_tool_sees_the_same(
    world: World, page: str, sql: str, code: int
):
    # Given the page's Job, as the tool would create it
    shop = a_shop(world, f"{page.removeprefix('migrate-with-')[:4]}-{code}")
    before = world.fingerprint(shop.name)
    made = world.kubectl("create", "-n", shop.namespace, "-o", "name", "-f", "-", stdin=[the_job(page, shop, sql)])
    job = made.strip().partition("/")[2]

    # When it has ended, and its rollback with it
    shop.ends(job, "Failed" if code else "Complete")
    if code:
        world.restored(shop.namespace, shop.rollback(job)["metadata"]["name"])
    assert (world.fingerprint(shop.name) == before) is (code == 1)

    # Then each of our resources is done to all of them
    kinds = [(BACKUPS, shop.before(job)), (POLICIES, world.get(POLICIES, shop.namespace, shop.name))]
    kinds += [(RESTORES, shop.rollback(job))] if code else []
    for kind, manifest in kinds:
        seen = (gitops.kstatus(manifest), gitops.argo_cd(manifest)[0])
        assert seen == ("Current", "Healthy"), (kind, manifest["status"])
    world.kubectl("delete", "job", "-n", shop.namespace, job)


def test_a_resource_that_nobody_looks_at_is_in_progress_to_every_tool(world: World):
    # Given a backup and a restore in a namespace that Holdfast does not watch
    unseen = world.policy(world.unwatched, "unseen")
    named = {"policyRef": {"name": "unseen"}}
    for kind, spec in (("DatabaseBackup", named), ("DatabaseRestore", {"source": named})):
        world.apply(unseen | {"kind": kind, "metadata": {"name": "unseen", "namespace": world.unwatched}, "spec": spec})
    world.apply(unseen)

    # Then nobody takes them for ready
    for kind in (BACKUPS, RESTORES, POLICIES):
        manifest = world.get(kind, world.unwatched, "unseen")
        assert (gitops.kstatus(manifest), gitops.argo_cd(manifest)[0]) == ("InProgress", "Progressing"), manifest
        world.kubectl("delete", kind, "-n", world.unwatched, "unseen")
