"""A verification that was asked for, from the annotation to what the status says, however often the operator dies."""

from typing import Any

import pytest
from tests.builders import NOW, a_failure, a_success, policy_dict, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.mortal import Killed, Mortal
from tests.reconciling import a_loop

from holdfast.contract.report import Report, Verification
from holdfast.contract.task import BackupTask, Task, VerifyTask
from holdfast.errors import Reason
from holdfast.kube.errors import Refused
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, PODS, POLICIES
from holdfast.naming import ANNOTATION_VERIFY, LABEL_TASK
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key

EXTERNAL = {"mode": "External"}
CALLS = 5  # what one verification takes
FOUND = Verification.model_validate(
    {"level": "checksum", "checkedBy": "StoreChecksum", "compared": ["size"], "integrityCheck": "passed",
     "fileReadable": "seen", "verifiedAt": NOW}
)  # fmt: skip


class Shop(FakeCluster):
    """A cluster with one backup that has succeeded."""

    def __init__(self) -> None:
        super().__init__(self.run)
        self.bad: Reason | None = None
        self.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy_dict()})
        spec = {"policyRef": {"name": "orders"}}
        meta = {"namespace": "shop", "name": "first", "creationTimestamp": WHEN}
        self.put(BACKUPS, {"metadata": meta, "spec": spec})

    def run(self, _image: str, task: Task) -> Report:
        if isinstance(task, BackupTask):
            return a_success(task=task)
        assert isinstance(task, VerifyTask)
        if self.bad:
            return a_failure(self.bad)
        found = FOUND.model_copy(update={"level": task.level})
        return a_success().model_copy(update={"kind": "verify", "backup": None, "verification": found})

    def ask(self, token: str) -> None:
        body = self.objects[BACKUPS.kind, "shop", "first"]
        body["metadata"]["annotations"] = {ANNOTATION_VERIFY: token}
        self.put(BACKUPS, body)

    @property
    def verified(self) -> list[VerifyTask]:
        return [task for _, task in self.ran if isinstance(task, VerifyTask)]

    async def life(self, acting: Any) -> dict[str, Any]:
        """Start with an empty cache, read what there is, reconcile once; return the backup's status after that."""
        cache = Cache()
        for kind in (POLICIES, BACKUPS, JOBS, PODS):
            for body in self.all(kind):
                cache.put(kind, body)
        loop = a_loop(cache, acting, settings())
        await loop.reconcile(Key(BACKUPS.kind, "shop", "first"))
        status: dict[str, Any] = (await self.get(BACKUPS, "shop", "first"))["status"]
        return status

    async def rest(self, acting: Any, token: str | None = None) -> dict[str, Any]:
        """Live until nothing is under way, and the token, if any, is answered."""
        for _ in range(20):
            try:
                status = await self.life(acting)
            except Killed:
                continue
            run = status.get("verificationRun", {})
            if status["phase"] in ("Succeeded", "Failed", "Expired") and run.get("request") == token:
                return await self.life(self)
            self.kubelet()
        raise AssertionError(f"no end: {status}")


async def a_shop() -> Shop:
    shop = Shop()
    assert (await shop.rest(shop))["phase"] == "Succeeded"
    return shop


async def test_what_is_asked_is_done_once_and_told():
    shop = await a_shop()
    shop.ask("readback/1")

    status = await shop.rest(shop, "readback/1")

    (task,) = shop.verified
    assert (task.level, task.engine, task.pinned.sha256) == ("readback", "postgresql", "a" * 64)
    assert (status["phase"], status["verificationRun"]["state"]) == ("Succeeded", "Passed")
    assert status["verification"] == FOUND.to_dict() | {"level": "readback"}
    assert "VerificationPassed" in {event["reason"] for event in shop.all(EVENTS)}
    assert status["restore"].startswith("# Restores backup-")


async def test_each_new_token_is_a_job_of_its_own_and_an_old_one_is_none():
    shop = await a_shop()
    for token in ("1", "2", "2", "1"):
        shop.ask(token)
        await shop.rest(shop, token)
    assert len(shop.verified) == 3
    jobs = [job for job in shop.all(JOBS) if job["metadata"]["labels"][LABEL_TASK] == "verify"]
    assert len(jobs) == 3
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in jobs} == {86_400}


async def test_a_job_that_the_api_server_refuses_is_waited_for_and_told(monkeypatch: pytest.MonkeyPatch):
    shop = await a_shop()
    shop.ask("1")

    async def refused(*_: object) -> None:
        raise Refused("exceeded quota: jobs")

    with monkeypatch.context() as full:
        full.setattr(shop, "create", refused)
        status = await shop.life(shop)
    assert (status["phase"], "exceeded quota: jobs" in status["message"]) == ("Verifying", True)

    status = await shop.rest(shop, "1")
    assert (status["phase"], len(shop.verified)) == ("Succeeded", 1)


async def test_a_backup_that_fails_its_verification_keeps_everything_and_may_be_asked_again():
    shop = await a_shop()
    shop.bad = Reason.BACKUP_NOT_FOUND
    shop.ask("1")
    status = await shop.rest(shop, "1")
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "BackupNotFound")
    assert "restore" in status

    shop.bad = None
    shop.ask("2")
    status = await shop.rest(shop, "2")
    assert status["phase"] == "Succeeded"
    assert "failure" not in status


async def test_where_the_bucket_deletes_a_backup_that_is_gone_rests_as_expired_and_is_no_good_one():
    shop = await a_shop()
    shop.put(POLICIES, shop.objects[POLICIES.kind, "shop", "orders"] | {"spec": policy_dict(retention=EXTERNAL)})
    shop.bad = Reason.BACKUP_GONE
    shop.ask("1")
    status = await shop.rest(shop, "1")
    assert (status["phase"], status["verificationRun"]["state"], "failure" in status) == ("Expired", "Expired", False)
    assert "Expired" in {event["reason"] for event in shop.all(EVENTS)}
    seen = Backup.of(shop.objects[BACKUPS.kind, "shop", "first"])
    assert (seen.good, seen.has_data, seen.fact.expired, seen.whole) == (False, False, True, None)


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, CALLS + 2))
async def test_an_operator_that_dies_at_any_call_verifies_once_and_says_so(call: int, answered: bool):
    shop = await a_shop()
    shop.ask("1")
    mortal = Mortal(shop, call, answered)

    status = await shop.rest(mortal, "1")

    assert mortal.died == (call <= CALLS)
    assert len(shop.verified) == 1
    assert (status["phase"], status["verificationRun"]["state"]) == ("Succeeded", "Passed")
    assert {job["spec"].get("ttlSecondsAfterFinished") for job in shop.all(JOBS)} == {86_400}
