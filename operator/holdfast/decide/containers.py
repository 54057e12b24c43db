"""The runner among the containers of its Pod: a mesh's webhook may have put others beside it, or before it.

Statuses come sorted by name, so the first one may be anybody's: ours is found by its name alone. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.contract.paths import CONTAINER
from holdfast.untrusted import mapping, mappings, sentence, word

Body = Mapping[str, Any]

_MAX_SENTENCE = 2048  # characters kept of what a person is told
_IN_ORDER = ("", "PodInitializing", "ContainerCreating")  # to wait so is how each container begins


@dataclass(frozen=True, slots=True)
class InitContainer:
    """One that is not done yet, and the runner starts after it; Holdfast's own Pods have none."""

    name: str
    reason: str = ""  # why it does not run; empty while it runs
    message: str = ""
    exit_code: int | None = None  # of one that failed: the runner never starts

    def __str__(self) -> str:
        """Say how it stands."""
        if self.exit_code is not None:
            return f"init container {self.name} ended with code {self.exit_code}"
        if self.reason:
            return f"init container {self.name} does not run: {self.reason}: {self.message}"
        return f"init container {self.name} is still running, and the runner can only start after it"


def state_of_the_runner(status: Body) -> Body:
    """Return the state of our container; empty where it has none yet."""
    ours = (each for each in mappings(status.get("containerStatuses")) if each.get("name") == CONTAINER)
    return mapping(next(ours, {}).get("state"))


def held_up_by(spec: Body, status: Body) -> InitContainer | None:
    """Return the first init container that is not done; a sidecar is done once it runs."""
    beside = {
        each.get("name") for each in mappings(spec.get("initContainers")) if each.get("restartPolicy") == "Always"
    }
    waits = (_not_done(each, each.get("name") in beside) for each in mappings(status.get("initContainerStatuses")))
    return next(filter(None, waits), None)


def _not_done(container: Body, runs_on: bool) -> InitContainer | None:
    name, state = word(container.get("name")), mapping(container.get("state"))
    waiting, ended = mapping(state.get("waiting")), mapping(state.get("terminated"))
    reason = word(waiting.get("reason"))
    if reason not in _IN_ORDER:
        return InitContainer(name, reason, sentence(waiting.get("message"), _MAX_SENTENCE))
    if "running" in state:
        return None if runs_on and container.get("started") is not False else InitContainer(name)
    code = ended.get("exitCode")
    if type(code) is int and code != 0 and not runs_on:
        return InitContainer(name, exit_code=code)
    return None
