"""An API server in memory, as far as one backup's reconciles need it, and a kubelet that runs Jobs by a function.

What the API server keeps of its promises is tests/fake_objects.py's.
"""

from collections.abc import Callable
from typing import Any

from tests.fake_objects import WHEN, FakeObjects

from holdfast.contract.paths import TASK_VARIABLE
from holdfast.contract.report import Report
from holdfast.contract.task import Task, parse
from holdfast.kube.kinds import JOBS, PODS

Body = dict[str, Any]
__all__ = ["WHEN", "FakeCluster"]


class FakeCluster(FakeObjects):
    """Its methods are KubeClient's."""

    def __init__(self, run: Callable[[str, Task], Report]) -> None:
        """Take what a Job's container does: from its image and task to its report."""
        super().__init__()
        self.ran: list[tuple[str, Task]] = []
        self._run = run

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
        pod = {"namespace": meta["namespace"], "name": f"{meta['name']}-pod", "labels": labels}
        state = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [{"state": {"terminated": ended}}]}
        self.put(PODS, {"metadata": pod, "status": state})
        condition = {"type": "Failed" if code else "Complete", "status": "True", "reason": "PodFailurePolicy"}
        self.put(JOBS, job | {"status": {"failed": int(bool(code)), "conditions": [condition]}})
