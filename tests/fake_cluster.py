"""An API server in memory, as far as one backup's reconciles need it, and a kubelet that runs Jobs by a function.

What the API server keeps of its promises is tests/fake_objects.py's.
"""

from collections.abc import Callable
from typing import Any

from tests.fake_objects import WHEN, FakeObjects

from holdfast.contract.paths import CONTAINER, TASK_VARIABLE
from holdfast.contract.report import Report
from holdfast.contract.task import Task, parse
from holdfast.kube.kinds import JOBS, PODS, Kind

Body = dict[str, Any]
__all__ = ["WHEN", "FakeCluster"]


def controller(body: Body) -> str | None:
    """The uid of what controls the object."""
    owners = body["metadata"].get("ownerReferences", [])
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


class FakeCluster(FakeObjects):
    """Its methods are KubeClient's."""

    def __init__(self, run: Callable[[str, Task], Report]) -> None:
        """Take what a Job's container does: from its image and task to its report."""
        super().__init__()
        self.ran: list[tuple[str, Task]] = []
        self._run = run

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str | None, version: str | None = None,
        propagation: str = "Background",
    ) -> None:  # fmt: skip
        held = self.objects.get((kind.kind, namespace, name))
        there = held is not None and uid in (None, held["metadata"]["uid"])
        if propagation != "Foreground" or not there:
            await super().delete(kind, namespace, name, uid=uid, version=version, propagation=propagation)
            return
        # it stays until the garbage collector has removed what it controls
        self.put(kind, held | {"metadata": held["metadata"] | {"deletionTimestamp": WHEN}})

    def collect_garbage(self) -> None:
        """Remove the Jobs that are being deleted, with their Pods."""
        for job in self.all(JOBS):
            if "deletionTimestamp" in job["metadata"]:
                uid = job["metadata"]["uid"]
                pods = [(PODS, pod) for pod in self.all(PODS) if controller(pod) == uid]
                for kind, body in [(JOBS, job), *pods]:
                    del self.objects[kind.kind, body["metadata"]["namespace"], body["metadata"]["name"]]

    def kubelet(self) -> None:
        """Run the Jobs that were made since, to their end."""
        for job in self.all(JOBS):
            if "conditions" not in job.get("status", {}):
                self._end(job)

    def _end(self, job: Body) -> None:
        spec, meta = job["spec"]["template"]["spec"]["containers"][0], job["metadata"]
        task = parse(next(one["value"] for one in spec["env"] if one["name"] == TASK_VARIABLE))
        self.ran.append((spec["image"], task))
        report = self._run(spec["image"], task)
        code = report.failure.exit_code if report.failure else 0
        labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "message": report.to_bytes().decode()}
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
        pod = {
            "namespace": meta["namespace"],
            "name": f"{meta['name']}-pod",
            "labels": labels,
            "ownerReferences": [owner],
        }
        containers = [{"name": CONTAINER, "state": {"terminated": ended}}]
        state = {"phase": "Failed" if code else "Succeeded", "containerStatuses": containers}
        self.put(PODS, {"metadata": pod, "status": state})
        condition = {"type": "Failed" if code else "Complete", "status": "True", "reason": "PodFailurePolicy"}
        self.put(JOBS, job | {"status": {"failed": int(bool(code)), "conditions": [condition]}})
