"""The bucket, in memory, and what a Job's container does with it: deletions and cleanups are the runner's own code.

It remembers what no later look could tell: who has written a manifest, and what was there when one was deleted.
"""

import io
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from tests.builders import a_failure, a_success
from tests.fake_versions import VersionedS3
from tests.manifests import DATA, a_manifest

from holdfast import clock
from holdfast.contract.manifest import Manifest
from holdfast.contract.report import Outcome, Report
from holdfast.contract.task import BackupTask, CleanupTask, DeleteTask, Task
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket.store import Store
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.result import Result
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import cleanup, delete
from holdfast.runner.tasks.dumps import Dumps

KILLED = 137
FAILS, DIES_BEFORE, DIES_AFTER = 0.06, 0.07, 0.07  # of the backups; before or after the manifest is written
DIES_DELETING = 0.2


class PodKilled(BaseException):
    """The container is dead; nothing may catch it."""


class Bucket(VersionedS3):
    """One that keeps no versions."""

    def __init__(self, keep_last: int) -> None:
        """Take how many good ones of a policy no deletion may ever take."""
        self._keep_last = keep_last
        self.published = Counter[str]()  # how often a manifest was written, by the backup's uid
        self.deleted_uids = list[str]()
        self.faults_seen = list[str]()
        super().__init__(keeps=False)

    @property
    def now(self) -> datetime:
        """The store has a clock of its own."""
        return clock.now()

    @now.setter
    def now(self, _: datetime) -> None:
        """What the store in memory is given at its beginning does not count here."""

    def manifests(self) -> dict[str, Manifest]:
        """Return what is there, by its key."""
        bodies = {row.key: row.body for row in self.rows if row.key.endswith(f"/{MANIFEST_NAME}")}
        return {key: Manifest.model_validate_json(body) for key, body in bodies.items() if body is not None}

    def publish(self, task: BackupTask, pod: str) -> None:
        """Write artifact and manifest, as a dump that went well."""
        key = f"{task.key_prefix}{pod}.sql.gz"
        self.put(key, DATA)
        now = clock.now()
        manifest = a_manifest(pod, task.backup.uid, key).model_copy(
            update={"backup": task.backup, "started_at": now, "completed_at": now}
        )
        self.published[task.backup.uid] += 1
        self.put(task.key_prefix + MANIFEST_NAME, manifest.to_json())

    def delete_object(self, Key: str, VersionId: str | None = None, **more: Any) -> dict[str, Any]:  # noqa: N803
        """Look, at the moment at which a backup ends to be one, whether it was one to keep."""
        there = self.manifests()
        answer = super().delete_object(Key, VersionId, **more)
        if gone := there.get(Key):
            self.deleted_uids.append(gone.backup.uid)
            of = Key.rsplit("/", 2)[0]
            newer = [one for key, one in there.items()
                     if key != Key and key.startswith(f"{of}/") and one.completed_at >= gone.completed_at]  # fmt: skip
            if len(newer) < self._keep_last:
                self.faults_seen.append(f"{Key} was deleted, and only {len(newer)} that are as new were there")
        return answer


class Container:
    """What runs in a Job's Pod: a task's end as exit code and termination message, in the order of a seed."""

    def __init__(self, bucket: Bucket, chance: random.Random) -> None:
        self._bucket, self._chance = bucket, chance
        self.calm = False  # nothing dies and nothing fails any more

    def run(self, task: Task, pod: str) -> tuple[int, str]:
        """Do what the task says; nothing is said by one that is killed in its midst."""
        try:
            report = self._backup(task, pod) if isinstance(task, BackupTask) else self._removal(task, pod)
        except PodKilled:
            return KILLED, ""
        return (report.failure.exit_code if report.failure else 0), report.to_bytes().decode()

    def _backup(self, task: BackupTask, pod: str) -> Report:
        found = self._published(task) is not None
        if not found:
            fate = 1.0 if self.calm else self._chance.random()
            if fate < FAILS:
                return _now(a_failure())
            if fate < FAILS + DIES_BEFORE:
                self._bucket.put(f"{task.key_prefix}{pod}.sql.gz", DATA)
                raise PodKilled
            self._bucket.publish(task, pod)
            if fate < FAILS + DIES_BEFORE + DIES_AFTER:
                raise PodKilled
        report = a_success(task=task, found=found, size=len(DATA))
        there = self._published(task)
        assert report.backup is not None
        assert there is not None
        times = {"verified_at": clock.now(), "completed_at": there.completed_at}
        return _now(report.model_copy(update={"backup": report.backup.model_copy(update=times)}))

    def _published(self, task: BackupTask) -> Manifest | None:
        return next((one for one in self._bucket.manifests().values() if one.backup.uid == task.backup.uid), None)

    def _removal(self, task: Task, pod: str) -> Report:
        now = clock.now()
        context = Context(Places(run=Path("/nowhere")), Stop(), Log(io.StringIO()), pod, now)
        with _in_place_of_s3(self._bucket):
            if isinstance(task, DeleteTask):
                result = self._deletion(task, context)
            else:
                assert isinstance(task, CleanupTask), task.kind
                result = cleanup.run(task, context, Dumps())
        return Report(
            kind=task.kind, outcome=Outcome.SUCCEEDED, started_at=now, completed_at=clock.now(), duration_seconds=0.1,
            deletion=result.deletion, message=result.message, backup_there=result.backup_there,
        )  # fmt: skip

    def _deletion(self, task: DeleteTask, context: Context) -> Result:
        if not self.calm and self._chance.random() < DIES_DELETING:
            left = iter(range(self._chance.randrange(2 * len(task.items))))

            def dies() -> None:
                if next(left, None) is None:
                    raise PodKilled

            self._bucket.faults["delete_object"] = dies
        try:
            return delete.run(task, context, Dumps())
        finally:
            self._bucket.faults.clear()


@contextmanager
def _in_place_of_s3(bucket: Bucket) -> Iterator[None]:
    with (
        mock.patch("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, bucket)),
        mock.patch.object(delete, "AT_ONCE", 1),  # what is in memory is no store for several threads
    ):
        yield


def _now(report: Report) -> Report:
    return report.model_copy(update={"started_at": clock.now(), "completed_at": clock.now()})
