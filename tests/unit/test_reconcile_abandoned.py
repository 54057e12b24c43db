"""A policy goes while it deletes: its backups are called what is found of them, however often the operator dies."""

from datetime import timedelta
from typing import Any

import pytest
from tests.builders import a_failure, a_success
from tests.fake_cluster import FakeCluster
from tests.mortal import Mortal
from tests.unit.test_reconcile_sweep import FOUND, NOW, Operator, Store, a_cluster, backups, days_pass

from holdfast.contract.report import Report
from holdfast.contract.task import Task, VerifyTask
from holdfast.errors import Reason
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, POLICIES

GOING = {"whole": 90.0, "gone": 80.0, "half": 70.0}  # days old
STAYING = dict.fromkeys("abcd", "Succeeded")


class Half(Store):
    """What a Job that was ended half-way has left."""

    def __init__(self, **found: Reason) -> None:
        super().__init__()
        self.found, self.looked_for = found, list[str]()

    def __call__(self, image: str, task: Task) -> Report:
        if not isinstance(task, VerifyTask):
            return super().__call__(image, task)
        name = task.backup_uid.removeprefix("u-")
        self.looked_for.append(name)
        if name in self.found:
            return a_failure(self.found[name])
        return a_success().model_copy(update={"kind": "verify", "backup": None, "verification": FOUND})


async def a_deletion_under_way(store: Store) -> FakeCluster:
    cluster = a_cluster(store, GOING | dict.fromkeys(STAYING, 1.0))
    await Operator(cluster).lives()
    assert backups(cluster) == dict.fromkeys(GOING, "Deleting") | STAYING
    return cluster


async def the_policy_goes(cluster: FakeCluster, *, its_job: bool = True) -> None:
    await cluster.delete(POLICIES, "shop", "orders", uid=None)
    for job in cluster.all(JOBS) if its_job else ():
        await cluster.delete(JOBS, "shop", job["metadata"]["name"], uid=None)


def status(cluster: FakeCluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.objects[BACKUPS.kind, "shop", name]["status"]
    return found


def conditions(cluster: FakeCluster, name: str) -> dict[str, str]:
    return {each["type"]: each["status"] for each in status(cluster, name)["conditions"]}


ENDS = {"whole": "Succeeded", "gone": "Expired", "half": "Failed"} | STAYING
LEFT = {"gone": Reason.BACKUP_GONE, "half": Reason.BACKUP_NOT_FOUND}


async def test_each_is_called_what_is_found_of_it_and_nothing_more_is_deleted():
    store = Half(**LEFT)
    cluster = await a_deletion_under_way(store)
    await the_policy_goes(cluster)
    await days_pass(cluster)

    assert backups(cluster) == ENDS
    assert (sorted(store.looked_for), store.asked) == (["gone", "half", "whole"], [])
    assert (conditions(cluster, "whole")["Ready"], "deletion" in status(cluster, "whole")) == ("True", False)
    assert "somebody deleted its policy before the deletion ended" in status(cluster, "gone")["message"]
    assert status(cluster, "gone")["deletion"]["result"] == "Deleted"
    assert (conditions(cluster, "half")["Ready"], "deletion" in status(cluster, "half")) == ("False", False)

    before = {kind.kind: cluster.all(kind) for kind in (BACKUPS, JOBS, EVENTS)}
    await days_pass(cluster)
    assert {kind.kind: cluster.all(kind) for kind in (BACKUPS, JOBS, EVENTS)} == before


async def test_nobody_looks_while_the_policys_job_may_still_delete():
    store = Half(**LEFT)
    cluster = await a_deletion_under_way(store)
    await the_policy_goes(cluster, its_job=False)
    await Operator(cluster).lives()
    assert set(backups(cluster).values()) == {"Deleting", "Succeeded"}
    assert len(cluster.all(JOBS)) == 1


async def test_what_cannot_be_found_out_stays_deleting_and_is_asked_again_in_an_hour():
    store = Half(whole=Reason.STORAGE_UNAVAILABLE, **LEFT)
    cluster = await a_deletion_under_way(store)
    await the_policy_goes(cluster)
    await days_pass(cluster)
    assert backups(cluster) == ENDS | {"whole": "Deleting"}
    for minutes, looks in ((59, 1), (61, 2)):
        await days_pass(cluster, now=NOW + timedelta(minutes=minutes))
        assert store.looked_for.count("whole") == looks
    assert "Holdfast asks again within an hour" in status(cluster, "whole")["message"]


async def test_a_policy_that_comes_back_goes_on_with_it():
    store = Half(**LEFT)
    cluster = await a_deletion_under_way(store)
    policy = cluster.all(POLICIES)[0]
    await the_policy_goes(cluster)
    cluster.put(POLICIES, policy | {"status": {}})
    await days_pass(cluster)
    assert (sorted(store.asked[0]), store.looked_for) == (["gone", "half", "whole"], [])
    assert backups(cluster) == STAYING


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 13))
async def test_an_operator_that_dies_at_any_call_comes_to_the_same(call: int, answered: bool):
    store = Half(**LEFT)
    cluster = await a_deletion_under_way(store)
    await the_policy_goes(cluster)
    await days_pass(cluster, Mortal(cluster, call, answered), rounds=8)
    assert (backups(cluster), sorted(store.looked_for)) == (ENDS, ["gone", "half", "whole"])
