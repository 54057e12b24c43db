"""A cluster with a policy, a good backup and restores of it: for tests of a DatabaseRestore's whole life."""

from datetime import datetime
from typing import Any

from tests.builders import NOW, a_failure, a_success, policy_dict, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.reconciling import a_loop

from holdfast.contract.report import ImpactReport, Report, RestoreReport
from holdfast.contract.task import BackupTask, CheckTask, DropTask, RestoreTask, SwapBackTask, Task
from holdfast.errors import Reason
from holdfast.kube.errors import KubeError
from holdfast.kube.kinds import BACKUPS, JOBS, PODS, POLICIES, RESTORES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key

OPERATOR = settings()


def a_restore_report(task: Task, **changes: Any) -> Report:
    """What the runner says of a success."""
    restored: RestoreReport | None = None
    if isinstance(task, RestoreTask):
        restored = RestoreReport(
            backup_id=task.key_prefix.split("/")[-2], size_bytes=82_000_000, uncompressed_bytes=328_000_000, tables=8,
            rows=3_000_000, compared=["rows"], server_version="PostgreSQL 17.6",
            replaced=task.beside and task.beside.old, switch_seconds=0.2 if task.beside else None,
        )  # fmt: skip
    if isinstance(task, SwapBackTask):
        restored = RestoreReport(replaced=task.old, switch_seconds=0.1)
    told = restored and restored.model_copy(update=changes)
    said = f"removed: {', '.join(task.names)}" if isinstance(task, DropTask) else "restored"
    return Report(
        kind=task.kind, outcome="Succeeded", started_at=NOW, completed_at=NOW, duration_seconds=12.3, restore=told,
        message=said,
    )  # fmt: skip


def an_impact_report(task: CheckTask, **changes: Any) -> Report:
    """What the runner says of a target that it has looked at."""
    seen = ImpactReport(
        present=True, size_bytes=410_000_000, tables=9, rows=3_000_100, estimated=True, clients=4, server_time=NOW,
    ).model_copy(update=changes)  # fmt: skip
    if task.s3 is not None:
        backup = {"backup_completed_at": NOW, "backup_seconds": 12.3, "backup_tables": 8, "backup_rows": 3_000_000}
        seen = seen.model_copy(update={**backup, "backup_size_bytes": 410_000_000, **changes})
    return Report(
        kind=task.kind, outcome="Succeeded", started_at=NOW, completed_at=NOW, duration_seconds=1.2, impact=seen,
        message="looked",
    )  # fmt: skip


class Runner:
    """What a Job's container does, and what it was told."""

    def __init__(self) -> None:
        self.fails: Reason | None = None
        self.backups_fail: Reason | None = None
        self.says: dict[str, Any] = {}
        self.sees: dict[str, Any] = {}
        self.check_fails: Reason | None = None
        self.tells: Report | None = None  # of a restore, whatever it was to do

    def __call__(self, _image: str, task: Task) -> Report:
        if isinstance(task, BackupTask):
            return a_failure(self.backups_fail) if self.backups_fail else a_success(task=task)
        if isinstance(task, CheckTask):
            failed = self.check_fails and a_failure(self.check_fails).model_copy(update={"kind": task.kind})
            return failed or an_impact_report(task, **self.sees)
        if self.tells is not None:
            return self.tells
        if self.fails is not None:
            return a_failure(self.fails).model_copy(update={"kind": task.kind})
        return a_restore_report(task, **self.says)


class World:
    """The cluster, and an operator that may be new at each reconcile."""

    def __init__(self, environment: str = "staging", form: str = "sql", **spec: Any) -> None:
        self.runner = Runner()
        self.cluster = FakeCluster(self.run)
        self.now = NOW
        policy = policy_dict(dump={"format": form}) | {"environment": environment}
        self.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy})
        self.put_backup("first")
        if spec:
            self.put("again", **spec)

    def run(self, image: str, task: Task) -> Report:
        """Be a Job's container."""
        return self.runner(image, task)

    def put(self, name: str, created: str = WHEN, **spec: Any) -> None:
        meta = {"namespace": "shop", "name": name, "creationTimestamp": created}
        self.cluster.put(RESTORES, {"metadata": meta, "spec": spec})

    def put_backup(self, name: str, **spec: Any) -> None:
        meta = {"namespace": "shop", "name": name, "creationTimestamp": WHEN}
        self.cluster.put(BACKUPS, {"metadata": meta, "spec": {"policyRef": {"name": "orders"}, **spec}})

    async def backed_up(self, name: str = "first") -> None:
        for _ in range(2):
            await self.reconcile(name, kind=BACKUPS.kind)
            self.cluster.kubelet()
        await self.reconcile(name, kind=BACKUPS.kind)

    async def back_up(self) -> None:
        """Bring on the backups that a restore has asked for."""
        for body in self.cluster.all(BACKUPS):
            if body.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                await self.reconcile(body["metadata"]["name"], kind=BACKUPS.kind)

    async def reconcile(self, name: str = "again", acting: Any = None, kind: str = RESTORES.kind) -> datetime | None:
        """Start with an empty cache, read what there is, reconcile once."""
        cache = Cache()
        for each in (POLICIES, BACKUPS, RESTORES, JOBS, PODS):
            for body in self.cluster.all(each):
                cache.put(each, body)
        self.woken: list[Key] = []
        loop = a_loop(cache, acting or self.cluster, OPERATOR, now=lambda: self.now, wake=self.woken.append)
        return await loop.reconcile(Key(kind, "shop", name))

    async def looked(self, name: str = "again", acting: Any = None) -> None:
        """Go on until its target has been looked at."""
        for _ in range(4):
            await self.reconcile(name, acting)
            if (await self.status(name)).get("impact", {}).get("state") != "Running":
                return
            self.cluster.kubelet()

    async def until_the_end(
        self, name: str = "again", acting: Any = None, dies: type[BaseException] = KubeError
    ) -> Any:
        for _ in range(20):
            try:
                await self.reconcile(name, acting)
            except (dies, KubeError):
                continue
            if (await self.status(name)).get("phase") in ("Succeeded", "Failed"):
                await self.reconcile(name)
                return await self.status(name)
            await self.back_up()
            self.cluster.kubelet()
            await self.back_up()
            self.cluster.collect_garbage()
        raise AssertionError(f"no end: {await self.status(name)}")

    async def status(self, name: str = "again") -> dict[str, Any]:
        return dict((await self.cluster.get(RESTORES, "shop", name)).get("status", {}))

    def tasks(self, kind: type[Any]) -> list[Any]:
        return [task for _, task in self.cluster.ran if isinstance(task, kind)]
