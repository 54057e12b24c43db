"""The simulated node: each Pod of a Job runs for a while and ends as its container does."""

import asyncio
import random
import time
from typing import Any

from tests.soak.bucket import Container

from holdfast import clock
from holdfast.contract.paths import CONTAINER, TASK_VARIABLE
from holdfast.contract.task import parse
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import KubeError
from holdfast.kube.kinds import PODS

NOWHERE = {"holdfast.dev/soak": "nowhere"}  # no real node has this label
LOOK = 0.4  # seconds
LONGEST = 6.0  # that a Pod works, seconds
UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"
Body = dict[str, Any]


class Node:
    """Takes every Pod of the namespace that Holdfast's Jobs have made."""

    def __init__(self, client: KubeClient, namespace: str, container: Container, chance: random.Random) -> None:
        self._client, self._namespace, self._container, self._chance = client, namespace, container, chance
        self._ends: dict[str, float] = {}
        self._ended: dict[str, tuple[int, str]] = {}  # a container runs once, however often its end must be said

    async def runs(self) -> None:
        """Go on until it is cancelled."""
        while True:
            for pod in await self._client.list(PODS, self._namespace, field_selector=UNFINISHED):
                try:
                    await self._look(pod)
                except KubeError:
                    continue  # the Pod has gone meanwhile, or it is seen again
            await asyncio.sleep(LOOK)

    async def _look(self, pod: Body) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._ends:
            self._ends[uid] = time.monotonic() + self._chance.uniform(0, LONGEST)
            await self._say(pod, "Running", {"running": {"startedAt": clock.to_text(clock.now())}})
        elif time.monotonic() >= self._ends[uid]:
            if uid not in self._ended:
                self._ended[uid] = self._container.run(_task(pod), uid)
            code, message = self._ended[uid]
            ended = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message}
            await self._say(pod, "Failed" if code else "Succeeded", {"terminated": ended})

    async def _say(self, pod: Body, phase: str, state: Body) -> None:
        container = pod["spec"]["containers"][0]
        told = {
            "name": CONTAINER, "state": state, "ready": phase == "Running", "restartCount": 0,
            "image": container["image"], "imageID": "",
        }  # fmt: skip
        name = pod["metadata"]["name"]
        body = {"status": {"phase": phase, "containerStatuses": [told]}}
        await self._client.patch(PODS, self._namespace, name, body, subresource="status")


def _task(pod: Body) -> Any:
    variables = pod["spec"]["containers"][0]["env"]
    return parse(next(one["value"] for one in variables if one["name"] == TASK_VARIABLE))
