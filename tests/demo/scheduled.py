"""The demo's second half: backups by a schedule, what is kept and why, and a deletion that the bucket itself shows.

The policy is suspended again as soon as it has shown what it is there for: a demo that was left alone fills no disk.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.demo import summary, watch
from tests.demo.errors import DemoError
from tests.demo.narrator import Narrator
from tests.demo.scene import BACKUPS, EVERY_MINUTE, POLICIES, SCHEDULED, Scene
from tests.stack import kubectl

from holdfast import clock, naming

WANTED = 2  # backups by the schedule
PATIENCE = 300.0  # seconds; two slots and two backups take half of it
TOLD_EACH = 10.0  # seconds between two words while one waits
PAUSE = 0.5  # seconds between two looks
Body = dict[str, Any]


def begin(scene: Scene) -> None:
    """Apply the policy, as a dry run, and let its schedule run."""
    kubectl("apply", "-f", "-", stdin=scene.in_its_namespace(EVERY_MINUTE))
    _patch(scene, {"schedule": {"suspend": False}})


def suspend(scene: Scene) -> None:
    """Have the schedule make no more."""
    _patch(scene, {"schedule": {"suspend": True}})


def two_backups(scene: Scene, narrator: Narrator) -> None:
    """Follow what the schedule makes until there are two good backups; what was there before counts."""
    known = {_name(body) for body in made(scene)}
    deadline, quiet_until = time.monotonic() + PATIENCE, 0.0
    begin(scene)
    try:
        while len(good(scene)) < WANTED:
            if time.monotonic() > quiet_until:
                quiet_until = time.monotonic() + TOLD_EACH
                narrator.say(_due(scene))
            for body in (body for body in made(scene) if _name(body) not in known):
                known.add(_name(body))
                if len(good(scene)) + 1 >= WANTED:
                    suspend(scene)
                narrator.say(f"the schedule has made DatabaseBackup {_name(body)}")
                watch.to_the_end(scene, _name(body), narrator)
            if time.monotonic() > deadline:
                raise DemoError(f"the schedule has not made {WANTED} backups; {SCHEDULED} says: {_ready(scene)}")
            time.sleep(PAUSE)
    finally:
        suspend(scene)


def the_plan(scene: Scene, narrator: Narrator) -> list[Body]:
    """Say what retention keeps and why, and what would go; return the backups that would."""
    _until(scene, lambda: _is_planned(scene))
    narrator.say(f"the policy, in its status: {_retention(scene)['message']}")
    reasons = {each["name"]: each["reason"] for each in _retention(scene)["plan"]["deletions"]}
    there = good(scene)
    for body in there:
        kept, goes = ", ".join(_kept(body)), reasons.get(_name(body), "no rule keeps it")
        narrator.say(f"{_name(body)} " + (f"is kept: {kept}" if kept else f"would go: {goes}"))
    return [body for body in there if not _kept(body)]


def a_deletion(scene: Scene, narrator: Narrator) -> None:
    """Let the plan be carried out, and show what the bucket held before and holds then."""
    going = the_plan(scene, narrator)
    before = summary.objects(scene)
    narrator.say("in the bucket before, as the store lists it:")
    narrator.block("\n".join(summary.lines(before)))
    narrator.say(f'now for real: kubectl patch backuppolicy {SCHEDULED} ... {{"retention": {{"dryRun": false}}}}')
    _patch(scene, {"retention": {"dryRun": False}})
    _until(scene, lambda: _is_carried_out(scene, narrator, going))
    after = summary.objects(scene)
    narrator.say(f"the policy: {_retention(scene)['lastSweep']['message']}")
    narrator.say("in the bucket after, as the store lists it:")
    narrator.block("\n".join(summary.lines(after)))
    if left := [key for key in after for body in going if key.startswith(folder(body))]:
        raise DemoError(f"the data of a backup that was deleted is still in the bucket: {', '.join(left)}")


def made(scene: Scene) -> list[Body]:
    """Return the backups that the schedule has made and that are there, oldest first."""
    selector = f"{naming.LABEL_POLICY}={SCHEDULED},{naming.LABEL_SLOT}"
    found = json.loads(kubectl("get", BACKUPS, "-n", scene.namespace, "-l", selector, "-o=json"))["items"]
    return sorted(found, key=_name)


def good(scene: Scene) -> list[Body]:
    """Return those of them that have succeeded."""
    return [body for body in made(scene) if body.get("status", {}).get("phase") == "Succeeded"]


def _is_carried_out(scene: Scene, narrator: Narrator, going: list[Body]) -> bool:
    """A plan that would delete much waits until it is approved, which the demo does; the first time it does not."""
    status = _policy(scene)["status"]
    held = next((it for it in status["conditions"] if (it["type"], it["status"]) == ("RetentionHeld", "True")), None)
    if held and "plan" in status["retention"]:
        approval = f"{naming.ANNOTATION_APPROVE}={status['retention']['plan']['hash']}"
        if _policy(scene)["metadata"].get("annotations", {}).get(naming.ANNOTATION_APPROVE) not in approval:
            narrator.say(f"it waits: {held['message']}")
        kubectl("annotate", POLICIES, SCHEDULED, "-n", scene.namespace, "--overwrite", approval)
    there = {_name(body) for body in made(scene)}
    told = "page" not in status["retention"] and "lastSweep" in status["retention"]
    return told and not any(_name(body) in there for body in going)


def _until(scene: Scene, good_: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not good_():
        if time.monotonic() > deadline:
            raise DemoError(f"retention has not come to it; {SCHEDULED} says: {_retention(scene).get('message')}")
        time.sleep(PAUSE)


def _due(scene: Scene) -> str:
    status = _policy(scene).get("status", {})
    if not (runs := status.get("nextRuns")):
        return "the operator reads the policy"
    seconds = max(0.0, (clock.from_text(runs[0]) - clock.now()).total_seconds())
    return f"{status['schedule']['message']}: the next one is due in {seconds:.0f} s, at {runs[0]}"


def _is_planned(scene: Scene) -> bool:
    """Whether policy and backups say the same: all but the last one would go."""
    there = good(scene)
    total: int = _retention(scene).get("plan", {}).get("total", 0)
    return total == len(there) - 1 == sum(not _kept(body) for body in there)


def _kept(body: Body) -> list[str]:
    because: list[str] = body["status"].get("keptBecause") or []
    return because


def _retention(scene: Scene) -> Body:
    retention: Body = _policy(scene).get("status", {}).get("retention", {})
    return retention


def _ready(scene: Scene) -> str:
    conditions = _policy(scene).get("status", {}).get("conditions", [])
    return "; ".join(f"{it['type']}={it['status']}: {it['message']}" for it in conditions)


def _policy(scene: Scene) -> Body:
    found: Body = json.loads(kubectl("get", POLICIES, "-n", scene.namespace, SCHEDULED, "-o=json"))
    return found


def _patch(scene: Scene, spec: Body) -> None:
    body = json.dumps({"spec": spec})
    kubectl("patch", POLICIES, SCHEDULED, "-n", scene.namespace, "--type=merge", "-p", body)


def _name(body: Body) -> str:
    name: str = body["metadata"]["name"]
    return name


def folder(body: Body) -> str:
    """Its folder in the bucket, which is its own."""
    location: str = body["status"]["location"]
    return location.removeprefix("s3://").partition("/")[2]
