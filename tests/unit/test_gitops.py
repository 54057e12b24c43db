"""Every kind in every phase, as Flux, Helm 4 and Argo CD judge it: kstatus' rules, and Lua and CEL from the docs."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests import gitops, yaml_text
from tests.builders import NOW, a_backup, a_failure, policy_dict, settings
from tests.unit.test_decide_removal import a_good_one, after, removal
from tests.unit.test_statuses import ended_well, told_in_full

from holdfast.api import backup as backups
from holdfast.api import restore_status as restores
from holdfast.api.backup import VerificationRun
from holdfast.api.base import StatusModel
from holdfast.api.crd import UNSEEN
from holdfast.api.deletion import Result
from holdfast.api.guard import Confirmation
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.decide.backup import queue, statuses, verify_statuses
from holdfast.decide.backup.queue import Turn
from holdfast.decide.backup.steps import decide
from holdfast.decide.failures import failure_in
from holdfast.decide.policy import statuses as policies
from holdfast.decide.restore import statuses as restoring
from holdfast.decide.restore.observation import RestoreView
from holdfast.errors import Reason
from holdfast.settings import Queue

WHY = failure_in(a_failure(Reason.CONNECTION_REFUSED))
PAGE = gitops.DOCS / "how-to/migrate-with-flux.md"
# What each judgement of kstatus' is called in Argo CD.
HEALTH = {"InProgress": "Progressing", "Failed": "Degraded", "Current": "Healthy"}


def manifest(kind: str, status: StatusModel | dict[str, Any], generation: int = 1) -> dict[str, Any]:
    told = status if isinstance(status, dict) else status.to_dict()
    meta = {"name": "orders", "namespace": "shop", "generation": generation}
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": {}, "status": told}


def of_backups() -> Iterator[tuple[str, StatusModel, str]]:
    fresh, good = a_backup(), a_good_one()
    done = decide(ended_well(told_in_full()), settings(), NOW).status
    assert isinstance(done, StatusModel)
    run = VerificationRun(request="1", number=1, state="Running", message="verifying", job_name="v", started_at=NOW)
    turn = Turn(False, 2, queue.of_all(Queue(max_running=1)), None)
    yield "Pending", statuses.waiting(fresh, NOW, "Starting", "its Pod is starting"), "InProgress"
    yield "Queued", statuses.queued(fresh, turn, NOW), "InProgress"
    yield "Running", statuses.running(fresh, NOW, 0), "InProgress"
    yield "Running", statuses.ending(fresh, WHY, None, "job", 0, NOW), "InProgress"
    yield "Succeeded", done, "Current"
    yield "Failed", statuses.failed(fresh, WHY, None, 0, NOW), "Failed"
    yield "Verifying", verify_statuses.under_way(good, run, NOW), "InProgress"
    yield "Deleting", after(good, removal()), "InProgress"
    deleting = a_good_one(backups.Phase.DELETING)
    yield "Expired", after(deleting, removal(made=False, result=Result.DELETED)), "Current"


def a_restore(generation: int = 1, **status: Any) -> RestoreView:
    spec = DatabaseRestoreSpec.model_validate({"source": {"policyRef": {"name": "orders"}}})
    told = restores.DatabaseRestoreStatus(**status)
    return RestoreView("shop", "orders", "u", generation, NOW, False, spec, told)


def of_restores() -> Iterator[tuple[str, StatusModel, str]]:
    fresh, missing = a_restore(), Confirmation(because="the target is of production")
    yield "Pending", restoring.waiting(fresh, NOW, "Starting", "its Pod is starting"), "InProgress"
    yield "Queued", restoring.waiting(fresh, NOW, "Queued", "another one first", restores.Phase.QUEUED), "InProgress"
    yield "AwaitingConfirmation", restoring.awaiting(fresh, NOW, "Awaiting", "confirm it", missing), "InProgress"
    yield "Running", restoring.running(fresh, NOW, "the Job is running", None), "InProgress"
    yield "Running", restoring.ending(fresh, WHY, "job", NOW), "InProgress"
    yield "Succeeded", restoring._ended(fresh, NOW, "RestoreSucceeded", "restored", None), "Current"
    yield "Failed", restoring.failed(fresh, WHY, None, NOW), "Failed"


def of_policies() -> Iterator[tuple[str, StatusModel, str]]:
    ready = policies.status(policies.spec_of(policy_dict()), {}, 1, settings(), NOW)
    wrong = policies.status(policies.spec_of(policy_dict(environment="nowhere")), {}, 1, settings(), NOW)
    yield "ready", ready, "Current"
    yield "wrong", wrong, "Failed"


EACH = [
    pytest.param(manifest(kind, status), judged, id=f"{kind}: {phase}, {n}")
    for kind, rows in (("DatabaseBackup", of_backups), ("DatabaseRestore", of_restores), ("BackupPolicy", of_policies))
    for n, (phase, status, judged) in enumerate(rows(), 1)
]
KINDS = ("DatabaseBackup", "DatabaseRestore", "BackupPolicy")


def expressions() -> dict[str, str]:
    """What the page about Flux gives for a DatabaseRestore."""
    blocks = re.findall(r"```yaml\n(healthCheckExprs:.*?)```", PAGE.read_text(), re.DOTALL)
    (entry,) = yaml_text.load(blocks[0])["healthCheckExprs"]
    return {key: str(value) for key, value in entry.items()}


def test_no_phase_is_left_out():
    seen = {(each.values[0]["kind"], each.values[0]["status"].get("phase")) for each in EACH}
    assert {phase for kind, phase in seen if kind == "DatabaseBackup"} == set(map(str, backups.Phase))
    assert {phase for kind, phase in seen if kind == "DatabaseRestore"} == set(map(str, restores.Phase))


@pytest.mark.parametrize(("each", "judged"), EACH)
def test_kstatus_alone_tells_in_each_phase_whether_it_is_under_way_failed_or_done(each: dict[str, Any], judged: str):
    assert gitops.kstatus(each) == judged


@pytest.mark.parametrize(("each", "judged"), EACH)
def test_argo_cd_sees_the_same_and_a_restore_that_waits_for_a_person_as_suspended(each: dict[str, Any], judged: str):
    health, message = gitops.argo_cd(each)
    awaits = each["status"].get("phase") == "AwaitingConfirmation"
    assert health == ("Suspended" if awaits else HEALTH[judged])
    assert message


@pytest.mark.parametrize(("each", "judged"), EACH)
def test_the_expressions_for_flux_see_the_same_and_fail_at_once_where_a_person_is_waited_for(
    each: dict[str, Any], judged: str
):
    awaits = each["status"].get("phase") == "AwaitingConfirmation"
    assert gitops.flux(expressions())(each) == ("Failed" if awaits else judged)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_that_was_just_made_is_ready_to_nobody(kind: str):
    made = manifest(kind, dict(UNSEEN))
    assert gitops.kstatus(made) == "InProgress"
    assert gitops.argo_cd(made) == ("Progressing", "Holdfast has not looked at it yet")
    assert gitops.flux(expressions())(made) == "InProgress"
    assert gitops.kstatus(manifest(kind, {})) == "Current"  # which is why the definitions say that nobody has


@pytest.mark.parametrize("each", [each.values[0] for each in EACH if each.values[1] == "Current"])
def test_a_change_that_holdfast_has_not_seen_is_under_way(each: dict[str, Any]):
    changed = each | {"metadata": each["metadata"] | {"generation": 2}}
    assert gitops.kstatus(changed) == "InProgress"
    assert gitops.argo_cd(changed)[0] == "Progressing"
    assert gitops.flux(expressions())(changed) == "InProgress"


def test_the_health_check_needs_nothing_that_argo_cd_does_not_give_it():
    made = manifest("DatabaseBackup", dict(UNSEEN))
    with pytest.raises(Exception, match="attempt to index global 'string'"):
        gitops.argo_cd(made, "return string.upper('x')")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_about_argo_cd_gives_it_the_health_check_of_each_kind(kind: str):
    page = (gitops.DOCS / "how-to/migrate-with-argo-cd.md").read_text()
    assert f"--from-file=resource.customizations.health.holdfast.dev_{kind}=docs/argocd/health.lua" in page
