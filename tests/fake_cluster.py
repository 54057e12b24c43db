"""An API server in memory, as far as one backup's reconciles need it, and a kubelet that runs Jobs by a function.

It keeps what the real one promises them: names are unique, and a changed resource conflicts.
"""

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

from holdfast.contract.paths import TASK_VARIABLE
from holdfast.contract.report import Report
from holdfast.contract.task import Task, parse
from holdfast.kube.errors import AlreadyExists, Conflict, NotFound
from holdfast.kube.kinds import JOBS, PODS, Kind

Body = dict[str, Any]
WHEN = "2026-11-22T08:45:00Z"


class FakeCluster:
    """Its methods are KubeClient's."""

    def __init__(self, run: Callable[[str, Task], Report]) -> None:
        """Take what a Job's container does: from its image and task to its report."""
        self.objects: dict[tuple[str, str, str], Body] = {}
        self.ran: list[tuple[str, Task]] = []
        self._run = run
        self._numbers = itertools.count(1)

    def put(self, kind: Kind, body: Body) -> Body:
        meta = body["metadata"]
        meta["resourceVersion"] = str(next(self._numbers))
        meta.setdefault("uid", f"uid-{meta['resourceVersion']}")
        meta.setdefault("creationTimestamp", WHEN)
        meta.setdefault("generation", 1)
        self.objects[kind.kind, meta["namespace"], meta["name"]] = body
        return copy.deepcopy(body)

    def all(self, kind: Kind) -> list[Body]:
        return [copy.deepcopy(body) for (name, *_), body in self.objects.items() if name == kind.kind]

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

    async def get(self, kind: Kind, namespace: str, name: str) -> Body:
        return copy.deepcopy(self._held(kind, namespace, name))

    async def list(self, kind: Kind, namespace: str, **_: object) -> list[Body]:
        return [body for body in self.all(kind) if body["metadata"]["namespace"] == namespace]

    async def create(self, kind: Kind, namespace: str, body: Body) -> Body:
        if (kind.kind, namespace, body["metadata"]["name"]) in self.objects:
            raise AlreadyExists("it is there")
        return self.put(kind, json.loads(json.dumps(body)))

    async def patch(self, kind: Kind, namespace: str, name: str, body: Body, **_: object) -> Body:
        held = self._held(kind, namespace, name)
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, held["metadata"]["resourceVersion"]):
            raise Conflict("it has changed")
        changes = {key: value for key, value in body.items() if key != "metadata"}
        return self.put(kind, _merged(held, json.loads(json.dumps(changes))))

    async def delete(self, kind: Kind, namespace: str, name: str, **_: object) -> None:
        self._held(kind, namespace, name)
        del self.objects[kind.kind, namespace, name]

    def _held(self, kind: Kind, namespace: str, name: str) -> Body:
        try:
            return self.objects[kind.kind, namespace, name]
        except KeyError:
            raise NotFound(name) from None


def _merged(old: Body, patch: Body) -> Body:
    """Apply a merge patch (RFC 7386)."""
    result = {key: value for key, value in old.items() if key not in patch or patch[key] is not None}
    for key, value in patch.items():
        if isinstance(value, dict):
            result[key] = _merged(old.get(key) or {}, value)
        elif value is not None:
            result[key] = value
    return result
