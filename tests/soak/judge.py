"""What must be true when all has come to rest, of what was seen on the way and of what is there. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from holdfast import clock, naming
from holdfast.api.backup import Phase

Body = Mapping[str, Any]
MINUTE = timedelta(minutes=1)
ENDS = (Phase.SUCCEEDED, Phase.FAILED, Phase.EXPIRED)


@dataclass
class Story:
    """What was seen on the way, and what is there at the end."""

    policies: Sequence[Body]
    backups: Sequence[Body]
    jobs: Sequence[Body]
    seen: Mapping[str, Body]  # the metadata of each backup that ever was there, by its uid
    until: datetime  # a slot by then is one that had to be settled
    requests: Mapping[str, int]  # how often each policy was asked for a backup
    manifests: Sequence[str]  # the uid of each that is in the bucket
    published: Mapping[str, int]  # how often one was written, by uid
    folders: Sequence[str]  # each that holds anything
    faults: Sequence[str] = field(default_factory=list)  # what the bucket has seen to be wrong


def verdict(story: Story) -> list[str]:
    """Return all that is wrong, a sentence each."""
    return [*story.faults, *_slots(story), *_asked(story), *_stuck(story), *_ends(story)]


def _slots(story: Story) -> Iterator[str]:
    """None lost, none doubled: each minute has one backup, or is counted as missed with its reason."""
    made: dict[str, Counter[str]] = defaultdict(Counter)
    for meta in story.seen.values():
        if slot := _labels(meta).get(naming.LABEL_SLOT):
            made[_labels(meta)[naming.LABEL_POLICY]][slot] += 1
    for policy in story.policies:
        name, status = policy["metadata"]["name"], policy["status"]["schedule"]
        settled = clock.from_text(status["settledUntil"])
        if settled < story.until:
            yield f"{name}: the slots since {clock.to_text(settled)} are not settled"
        due = set(_minutes(clock.from_text(policy["metadata"]["creationTimestamp"]), settled))
        yield from (f"{name}: slot {slot} was run {times} times" for slot, times in made[name].items() if times > 1)
        run = due & made[name].keys()
        missed = sum(each["count"] for each in status.get("missed", []))
        if len(run) + missed != len(due):
            yield f"{name}: of {len(due)} slots {len(run)} were run and {missed} counted as missed"


def _minutes(after: datetime, until: datetime) -> Iterator[str]:
    slot = after.replace(second=0, microsecond=0) + MINUTE
    while slot <= until:
        yield naming.slot_label(slot)
        slot += MINUTE


def _asked(story: Story) -> Iterator[str]:
    """No request is answered twice, and the last one is answered."""
    asked = Counter(_labels(meta).get(naming.LABEL_POLICY, "") for meta in story.seen.values() if _is_asked_for(meta))
    for policy in story.policies:
        name, requests = policy["metadata"]["name"], story.requests.get(policy["metadata"]["name"], 0)
        if asked[name] > requests:
            yield f"{name}: {asked[name]} backups for {requests} requests"
        if requests and policy["status"].get("backupNow", {}).get("request") != str(requests):
            yield f"{name}: the last request is not answered"


def _is_asked_for(meta: Body) -> bool:
    return naming.LABEL_SLOT not in _labels(meta) and naming.LABEL_POLICY in _labels(meta)


def _stuck(story: Story) -> Iterator[str]:
    waiting = _tried_again(story)
    for backup in story.backups:
        meta, status = backup["metadata"], backup.get("status", {})
        if status.get("phase") not in ENDS and meta["uid"] not in waiting:
            yield f"{meta['name']} has not ended: {status.get('phase')}: {status.get('message')}"
        if status.get("cleanup", {}).get("state") == "Running":
            yield f"{meta['name']}: its cleanup has not ended"
    for policy in story.policies:
        retention = _retention(policy)
        if "page" in retention or "plan" in retention:
            yield f"{policy['metadata']['name']}: a deletion has not ended: {retention.get('message')}"
    yield from _jobs(story)


def _jobs(story: Story) -> Iterator[str]:
    for job in story.jobs:
        if not any(it["type"] in ("Complete", "Failed") for it in job.get("status", {}).get("conditions", [])):
            yield f"the Job {job['metadata']['name']} has not ended"
        elif "ttlSecondsAfterFinished" not in job["spec"]:
            yield f"the Job {job['metadata']['name']} stays for ever"


def _tried_again(story: Story) -> set[str]:
    """Return the uids of those whose deletion failed, and is tried again at a time that the policy says."""
    return {each["uid"] for policy in story.policies for each in _retention(policy).get("retries", [])}


def _retention(policy: Body) -> Body:
    found: Body = policy["status"].get("retention", {})
    return found


def _ends(story: Story) -> Iterator[str]:
    """Every end is true: a manifest for each that succeeded, and nothing in the bucket of any other."""
    there = Counter(story.manifests)
    by_uid = {backup["metadata"]["uid"]: backup for backup in story.backups}
    good = {uid for uid, backup in by_uid.items() if backup["status"].get("phase") == Phase.SUCCEEDED}
    yield from (f"{_name(story, uid)} has {times} manifests" for uid, times in there.items() if times > 1)
    yield from (f"{_name(story, uid)} was published {n} times" for uid, n in story.published.items() if n > 1)
    yield from (f"{_name(story, uid)} is called Succeeded, and has no manifest" for uid in good - there.keys())
    yield from (f"{_name(story, uid)} has a manifest, and is not called Succeeded" for uid in there.keys() - good)
    yield from (
        f"{backup['metadata']['name']} is pinned, and its data is gone" for uid, backup in by_uid.items()
        if backup["spec"].get("pinned") and story.published.get(uid) and uid not in there
    )  # fmt: skip
    may_hold = good | (by_uid.keys() & _tried_again(story))
    of_good = {by_uid[uid]["status"]["location"].removeprefix("s3://").partition("/")[2] for uid in may_hold}
    yield from (f"{folder} is of no good backup, and holds something" for folder in set(story.folders) - of_good)


def _name(story: Story, uid: str) -> str:
    return str(story.seen[uid]["name"]) if uid in story.seen else f"a backup that was never seen, {uid},"


def _labels(meta: Body) -> Mapping[str, str]:
    return meta.get("labels") or {}
