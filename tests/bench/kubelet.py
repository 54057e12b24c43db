"""Job controller and kubelet of the bench's own: Jobs that were made come to their end, with a report, and run nothing.

Their Pods are written into the API server as the real ones would leave them, so the operator has all of its events.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from tests.bench.objects import Body, a_client
from tests.builders import a_success
from tests.e2e.kubectl import Kubectl

from holdfast import clock
from holdfast.contract.paths import CONTAINER, TASK_VARIABLE
from holdfast.contract.report import DeleteReport, Report
from holdfast.contract.task import BackupTask, DeleteTask, parse
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import NotFound
from holdfast.kube.kinds import JOBS, PODS

PAUSE = 0.2  # seconds between two looks for new Jobs


@contextmanager
def a_kubelet(kubectl: Kubectl, namespace: str, seconds: float = 0.5) -> Iterator[list[str]]:
    """Have the Jobs of a namespace run, each for so long; yields the names of those that have begun."""
    began, ends = list[str](), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_run(kubectl, namespace, seconds, began, ends)))
    thread.start()
    try:
        yield began
    finally:
        ends.set()
        thread.join()


async def _run(kubectl: Kubectl, namespace: str, seconds: float, began: list[str], ends: threading.Event) -> None:
    async with a_client(kubectl) as client, asyncio.TaskGroup() as group:
        seen: set[str] = set()
        while not ends.is_set():
            for job in await client.list(JOBS, namespace):
                if job["metadata"]["uid"] not in seen:
                    seen.add(job["metadata"]["uid"])
                    began.append(job["metadata"]["name"])
                    group.create_task(_job(client, job, seconds))
            await asyncio.sleep(PAUSE)


async def _job(client: KubeClient, job: Body, seconds: float) -> None:
    with suppress(NotFound):  # it was deleted meanwhile
        pod = await client.create(PODS, job["metadata"]["namespace"], _pod(job))
        begun = clock.now()
        await _state(client, PODS, pod, _pod_status("Running", {"running": {"startedAt": clock.to_text(begun)}}))
        await _state(client, JOBS, job, {"startTime": clock.to_text(begun), "active": 1})
        await asyncio.sleep(seconds)
        now = clock.now() + timedelta(seconds=1)  # whole ones are kept, and none ends before it has begun
        ended = {"exitCode": 0, "reason": "Completed", "message": _report(job, begun).to_bytes().decode(),
                 "startedAt": clock.to_text(begun), "finishedAt": clock.to_text(now)}  # fmt: skip
        await _state(client, PODS, pod, _pod_status("Succeeded", {"terminated": ended}))
        conditions = [_condition(which, now) for which in ("SuccessCriteriaMet", "Complete")]
        done = {"active": 0, "succeeded": 1, "completionTime": clock.to_text(now), "conditions": conditions}
        await _state(client, JOBS, job, done)


async def _state(client: KubeClient, kind: Any, body: Body, status: Body) -> None:
    meta = body["metadata"]
    await client.patch(kind, meta["namespace"], meta["name"], {"status": status}, subresource="status")


def _pod(job: Body) -> Body:
    meta, template = job["metadata"], job["spec"]["template"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
    labels = template["metadata"]["labels"] | {"batch.kubernetes.io/job-name": meta["name"]}
    named = {"namespace": meta["namespace"], "name": f"{meta['name']}-0", "labels": labels, "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": template["spec"]}


def _pod_status(phase: str, state: Body) -> Body:
    about = {"image": "none", "imageID": "", "ready": False, "restartCount": 0}
    return {"phase": phase, "containerStatuses": [{"name": CONTAINER, "state": state} | about]}


def _condition(which: str, now: datetime) -> Body:
    times = {name: clock.to_text(now) for name in ("lastProbeTime", "lastTransitionTime")}
    return {"type": which, "status": "True", "reason": "CompletionsReached", "message": ""} | times


def _report(job: Body, begun: datetime) -> Report:
    environment = job["spec"]["template"]["spec"]["containers"][0]["env"]
    task = parse(next(one["value"] for one in environment if one["name"] == TASK_VARIABLE))
    now = clock.now()
    times = {"started_at": begun, "completed_at": now, "duration_seconds": (now - begun).total_seconds()}
    match task:
        case BackupTask():
            return a_success(task=task, verified_at=now).model_copy(update=times)
        case DeleteTask():
            gone = DeleteReport(deleted=list(range(len(task.items))))
            return Report(kind=task.kind, outcome="Succeeded", deletion=gone, **times)
    raise AssertionError(f"the bench runs no {task.kind}")
