"""A claim that an SQLite file lies on: where its Job must run, when it cannot, and what its Pod is made of."""

import json
from typing import Any

import pytest
from tests.builders import NOW, UID, a_begun_backup, a_sqlite_policy, a_success, as_begun, observed, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.pasting import Room
from tests.reconciling import a_loop

from holdfast.api.backup import Phase
from holdfast.api.policy import Format
from holdfast.contract import paths, task
from holdfast.decide.backup.observation import BACKUP
from holdfast.decide.backup.steps import decide
from holdfast.decide.claims import in_use, missing, node
from holdfast.decide.decision import Create, Learn, What
from holdfast.decide.resolve import resolve
from holdfast.decide.views import ClaimView, claim_view, holders
from holdfast.errors import Reason
from holdfast.kube.kinds import BACKUPS, CLAIMS, JOBS, PODS
from holdfast.manifests import jobs, methods
from holdfast.manifests.restore_dump import restore_command
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key

RUNNER = jobs.Runner("holdfast-runner-sqlite:3", "IfNotPresent", {})
OWNER = jobs.Owner("DatabaseBackup", "shop", "orders-1", UID, None)
FREE = ClaimView(("ReadWriteOnce",))


def held(*modes: str) -> ClaimView:
    return ClaimView(modes, (("app-0", "node-b"),))


def decided(claim: ClaimView | None, age: float = 30):
    return decide(observed(a_begun_backup(inline=a_sqlite_policy(), age=age), claim=claim), settings(), NOW)


def test_the_claim_is_looked_at_before_the_job_is_made():
    assert decided(None).act == Learn(What.CLAIM)
    assert decided(FREE).act == Create(BACKUP)


@pytest.mark.parametrize(
    ("claim", "where"),
    [
        pytest.param(FREE, None, id="nobody has it"),
        pytest.param(held("ReadWriteOnce"), "node-b", id="ReadWriteOnce"),
        pytest.param(held("ReadWriteOnce", "ReadWriteMany"), "node-b", id="ReadWriteMany: locks are one node's"),
        pytest.param(None, None, id="no claim at all"),
    ],
)
def test_the_job_runs_where_the_claim_is_mounted(claim, where):
    assert node(claim) == where


def test_a_claim_for_one_pod_that_has_its_pod_is_refused_with_the_reason():
    decision = decided(held("ReadWriteOncePod"))

    assert decision.act is None
    assert decision.status.phase is Phase.FAILED
    assert decision.status.failure.reason == Reason.CLAIM_IN_USE
    assert "Pod app-0 on node node-b" in decision.status.failure.message


def test_a_claim_for_one_pod_that_nobody_has_is_taken():
    assert decided(ClaimView(("ReadWriteOncePod",))).act == Create(BACKUP)


def test_a_claim_that_is_not_there_is_waited_for_until_the_start_timeout():
    waiting, over = decided(ClaimView(None)), decided(ClaimView(None), age=601)

    assert waiting.status.phase is Phase.PENDING
    assert "app-data does not exist" in waiting.status.message
    assert waiting.due > NOW
    assert over.status.failure.reason == Reason.CLAIM_NOT_FOUND
    assert "given up after 600 s" in over.status.failure.message


def a_pod(name: str, claim: str = "app-data", node: str | None = "node-b", phase: str = "Running") -> dict[str, Any]:
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    spec = {"volumes": volumes} | ({"nodeName": node} if node else {})
    return {"metadata": {"namespace": "shop", "name": name}, "spec": spec, "status": {"phase": phase}}


def a_claim(*modes: str, of_volume: tuple[str, ...] = ()) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": "app-data"}
    return {"metadata": meta, "spec": {"accessModes": list(modes)}, "status": {"accessModes": list(of_volume)}}


def test_a_claim_is_held_by_the_pods_that_are_on_a_node_and_have_not_ended():
    pods = [
        a_pod("b"),
        a_pod("a", phase="Pending"),
        a_pod("ended", phase="Succeeded"),
        a_pod("unscheduled", node=None, phase="Pending"),
        a_pod("another-claim", claim="other"),
        {"metadata": {"namespace": "shop", "name": "no-volumes"}, "spec": {"nodeName": "node-b"}},
    ]

    view = claim_view(a_claim("ReadWriteOnce"), holders("app-data", pods))

    assert view == ClaimView(("ReadWriteOnce",), (("a", "node-b"), ("b", "node-b")))


def test_a_volumes_own_access_modes_count_where_there_is_one():
    assert claim_view(a_claim("ReadWriteOnce", of_volume=("ReadWriteMany",)), ()).access_modes == ("ReadWriteMany",)


def a_status(policy=None):
    resolved = resolve(policy or a_sqlite_policy(), settings())
    return a_begun_backup(inline=a_sqlite_policy()).status.model_copy(update={"resolved": resolved})


def a_job(node: str | None = None, **policy: Any) -> dict[str, Any]:
    backup = a_begun_backup(inline=a_sqlite_policy())
    status = a_begun_backup().status.model_copy(update={"resolved": resolve(a_sqlite_policy(**policy), settings())})
    work = methods.of(OWNER, as_begun(status)).backup(backup.spec, [])
    return jobs.backup_job("orders-1-backup-x", OWNER, 1, work, status.resolved, RUNNER, node)


def test_what_is_in_force_says_the_format_and_the_group():
    bare = a_sqlite_policy().database.volume.model_copy(update={"run_as_user": 1000, "run_as_group": None})
    policy = a_sqlite_policy()
    policy = policy.model_copy(update={"database": policy.database.model_copy(update={"volume": bare})})

    resolved = resolve(policy, settings())

    assert resolved.dump.format is Format.SQLITE
    assert (resolved.database.volume.run_as_user, resolved.database.volume.run_as_group) == (1000, 1000)
    assert resolve(resolved, settings()) == resolved


def test_the_pod_has_the_claim_writable_and_runs_as_the_files_owner_without_an_fs_group():
    pod = a_job()["spec"]["template"]["spec"]
    [mount] = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "claim"]
    [volume] = [v for v in pod["volumes"] if v["name"] == "claim"]

    assert volume == {"name": "claim", "persistentVolumeClaim": {"claimName": "app-data"}}
    assert mount == {"name": "claim", "mountPath": paths.VOLUME, "readOnly": False}
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (472, 0)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert "fsGroup" not in pod["securityContext"]
    assert [v["name"] for v in pod["volumes"]] == ["run", "claim", "scratch", "spool"]
    assert "affinity" not in pod


def test_the_pod_is_kept_on_the_node_by_its_name():
    affinity = a_job("node-b")["spec"]["template"]["spec"]["affinity"]

    [term] = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-b"]}]}


def test_what_a_policy_asks_of_nodes_still_holds_on_the_claims_node():
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    ssd, large = ({"key": key, "operator": "Exists"} for key in ("ssd", "large"))
    preferred = [{"weight": 1, "preference": {"matchExpressions": [large]}}]
    nodes = {
        required: {"nodeSelectorTerms": [{"matchExpressions": [ssd]}, {"matchExpressions": [large]}]},
        "preferredDuringSchedulingIgnoredDuringExecution": preferred,
    }
    far = {required: [{"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "zone"}]}
    job = a_job("node-b", job={"affinity": {"nodeAffinity": nodes, "podAntiAffinity": far}})
    affinity = job["spec"]["template"]["spec"]["affinity"]

    here = [{"key": "metadata.name", "operator": "In", "values": ["node-b"]}]
    assert affinity["podAntiAffinity"] == far
    assert affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == preferred
    assert affinity["nodeAffinity"][required]["nodeSelectorTerms"] == [
        {"matchExpressions": [ssd], "matchFields": here},
        {"matchExpressions": [large], "matchFields": here},
    ]


def test_a_cleanup_has_neither_claim_nor_its_user():
    work = methods.of(OWNER, as_begun(a_status())).cleanup()
    job = jobs.cleanup_job("c", OWNER, work, a_status().resolved.job, RUNNER)
    pod = job["spec"]["template"]["spec"]

    assert [v["name"] for v in pod["volumes"]] == ["run"]
    assert pod["securityContext"]["runAsUser"] == jobs.RUNNER_UID


@pytest.mark.parametrize(
    ("set_", "claim", "arguments"),
    [
        pytest.param({}, "app-data", ["--target-claim=", "--target-path="], id="as it was"),
        pytest.param(
            {"TARGET_CLAIM": "new-data", "TARGET_PATH": "it's new/$x.db"},
            "new-data",
            ["--target-claim=new-data", "--target-path=it's new/$x.db"],
            id="elsewhere",
        ),
    ],
)
def test_what_is_pasted_restores_into_the_claim_that_is_meant(tmp_path, set_, claim, arguments):
    pasted = restore_command(OWNER, as_begun(a_status()), RUNNER)
    done = Room(tmp_path).paste(pasted, variables=set_)
    assert (done.code, done.job is not None) == (0, True), done.said

    pod = done.job["spec"]["template"]["spec"]
    work = task.parse(pod["containers"][0]["env"][0]["value"])
    assert (work.kind, work.scratch_bytes) == ("restore", None)
    assert pod["containers"][0]["args"] == arguments
    assert [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if v["name"] == "claim"] == [claim]
    assert pod["securityContext"]["runAsUser"] == 472
    assert 'file "data/app.db" of claim app-data, which must not exist yet' in pasted
    assert "TARGET_CLAIM or TARGET_PATH" in pasted


async def reconciled(cluster: FakeCluster) -> dict[str, Any]:
    spec = {"policy": a_sqlite_policy().to_dict()}
    cluster.put(BACKUPS, {"metadata": {"namespace": "shop", "name": "app-1", "creationTimestamp": WHEN}, "spec": spec})
    cache = Cache()
    cache.put(BACKUPS, await cluster.get(BACKUPS, "shop", "app-1"))
    loop = a_loop(cache, cluster, settings())
    await loop.reconcile(Key(BACKUPS.kind, "shop", "app-1"))
    return (await cluster.get(BACKUPS, "shop", "app-1"))["status"]


async def test_the_operator_asks_who_has_the_claim_and_makes_the_job_for_that_node():
    cluster = FakeCluster(lambda *_: a_success())
    cluster.put(CLAIMS, a_claim("ReadWriteOnce"))
    cluster.put(PODS, a_pod("app-0"))

    status = await reconciled(cluster)

    assert status["phase"] == "Pending"
    [job] = cluster.all(JOBS)
    assert "node-b" in json.dumps(job["spec"]["template"]["spec"]["affinity"])


async def test_the_operator_makes_no_job_for_a_claim_that_is_not_there():
    cluster = FakeCluster(lambda *_: a_success())

    status = await reconciled(cluster)

    assert status["conditions"][0]["reason"] == Reason.CLAIM_NOT_FOUND
    assert cluster.all(JOBS) == []


def test_where_no_claim_was_looked_at_none_is_missing_or_in_use():
    assert missing("app-data", None) is None
    assert in_use("app-data", None) is None
