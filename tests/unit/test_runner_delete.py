"""A deletion deletes the data of the backups that it is told, all of it, and nothing of any other in any case."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from tests.builders import NOW
from tests.fake_s3 import client_error
from tests.fake_versions import VersionedS3
from tests.manifests import DATA, a_manifest

from holdfast import clock
from holdfast.api.storage import S3Storage
from holdfast.contract import report as reports
from holdfast.contract import task as tasks
from holdfast.contract.paths import TASK_VARIABLE
from holdfast.contract.task import DeleteItem, DeleteTask, MustStay
from holdfast.errors import HoldfastError, Reason
from holdfast.runner import main as runner
from holdfast.runner.bucket import purge
from holdfast.runner.bucket.store import Store
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import delete
from holdfast.runner.tasks.dumps import Dumps

LATER = clock.now().replace(microsecond=0) + timedelta(days=30)
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)


def folder(number: int, policy: str = "orders") -> str:
    return f"shop/{policy}/backup-202611{number:02}-020000/"


def an_item(number: int = 1, policy: str = "orders", **fields) -> DeleteItem:
    facts = {"uid": f"uid-{policy}-{number}", "namespace": "shop", "name": f"{policy}-{number}",
             "backup_id": f"backup-202611{number:02}-020000", "key_prefix": folder(number, policy),
             "completed_at": NOW}  # fmt: skip
    return DeleteItem(**(facts | fields))


class World:
    """A bucket with backups, and the deletion."""

    def __init__(self, s3: VersionedS3, tmp_path) -> None:
        self.s3, self.stop, self.log = s3, Stop(), io.StringIO()
        self._run = tmp_path

    def backup(self, number: int = 1, policy: str = "orders", uid: str | None = None, **lock) -> str:
        """Have one there: two objects. Returns its folder."""
        prefix = folder(number, policy)
        manifest = a_manifest(uid=uid or f"uid-{policy}-{number}", key=f"{prefix}pod-1.sql.gz")
        self.s3.put(f"{prefix}pod-1.sql.gz", DATA, **lock)
        self.s3.put(f"{prefix}manifest.json", manifest.to_json(), **lock)
        return prefix

    def delete(self, *items: DeleteItem, stays: tuple[MustStay, ...] = ()):
        task = DeleteTask(items=list(items), must_stay=list(stays), s3=S3Storage(bucket="backups"),
                          key_prefix=items[0].key_prefix, deadline_seconds=60)  # fmt: skip
        context = Context(Places(run=self._run), self.stop, Log(self.log), "pod-1", NOW)
        return delete.run(task, context, Dumps()).deletion

    def refuse(self, operation: str, code: str = "AccessDenied", status: int = 403, *, after: int = 0) -> None:
        """Refuse all but the first so many of these requests."""
        left = [after]

        def fault() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise client_error(code, status)

        self.s3.faults[operation] = fault


@pytest.fixture(params=[False, True], ids=["no versions", "versions"])
def world(request, monkeypatch, tmp_path):
    made = World(VersionedS3(keeps=request.param), tmp_path)
    monkeypatch.setattr(delete, "AT_ONCE", 1)  # so that what comes first is known
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, made.s3))
    return made


@pytest.fixture
def versioned(monkeypatch, tmp_path):
    made = World(VersionedS3(), tmp_path)
    monkeypatch.setattr(delete, "AT_ONCE", 1)
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, made.s3))
    return made


def only(failed):
    assert len(failed) == 1
    return failed[0]


# -- what goes


def test_every_version_of_a_backup_goes_and_its_manifest_goes_first(world):
    prefix, others = world.backup(1), world.backup(2)
    report = world.delete(an_item(1))
    assert (report.deleted, report.retained, report.failed) == ([0], [], [])
    assert {row.key for row in world.s3.rows} == {f"{others}manifest.json", f"{others}pod-1.sql.gz"}
    assert world.s3.deleted[0] == f"{prefix}manifest.json"


def test_what_else_lies_in_its_folder_goes_with_it_and_nothing_below_or_beside(world):
    prefix = world.backup()
    stays = [f"{prefix}deeper/x", f"{prefix.rstrip('/')}-2/manifest.json", "x"]
    for key in (f"{prefix}pod-0.sql.gz", *stays):
        world.s3.put(key)
        world.s3.create_multipart_upload(Key=key)
    assert world.delete(an_item()).deleted == [0]
    assert {row.key for row in world.s3.rows} == set(stays)
    assert {world.s3.keys[upload] for upload in world.s3.uploads} == set(stays)


def test_what_is_gone_already_is_a_success(world):
    assert world.delete(an_item(1), an_item(2)).deleted == [0, 1]


def test_versions_and_markers_of_before_go_too(versioned):
    prefix = versioned.backup()
    versioned.s3.put(f"{prefix}pod-1.sql.gz", b"older")
    versioned.s3.delete_object(f"{prefix}pod-1.sql.gz")
    versioned.s3.put(f"{prefix}pod-1.sql.gz", DATA)
    assert versioned.delete(an_item()).deleted == [0]
    assert versioned.s3.rows == []


def test_a_backup_that_somebody_has_only_hidden_goes_whole(versioned):
    prefix = versioned.backup()
    versioned.s3.now = NOW + timedelta(days=9)
    for name in ("manifest.json", "pod-1.sql.gz"):
        versioned.s3.delete_object(prefix + name)
    assert versioned.delete(an_item()).deleted == [0]
    assert versioned.s3.rows == []


@pytest.mark.parametrize("lists", [True, False], ids=["seen", "not seen, for want of the right"])
def test_what_was_stored_before_the_bucket_kept_versions_goes_for_good(world, lists):
    world.s3.keeps = False
    world.backup()
    world.s3.keeps, world.s3.lists_versions = True, lists
    if not lists:
        world.s3.head_object = lambda **_: {"ContentLength": 1, "ETag": "etag", "VersionId": "null"}
    assert world.delete(an_item()).deleted == [0]
    assert world.s3.rows == []


# -- killed


@pytest.mark.parametrize("done", [1, 2])
def test_killed_between_manifest_and_data_leaves_no_backup_and_the_next_one_finishes(world, done):
    prefix = world.backup()
    world.s3.put(f"{prefix}pod-0.sql.gz")
    world.s3.create_multipart_upload(Key=f"{prefix}pod-2.sql.gz")
    world.refuse("delete_object", "InternalError", 500, after=done)
    first = world.delete(an_item())
    assert not only(first.failed).untouched
    assert f"{prefix}manifest.json" not in world.s3.keys_there()
    assert not only(world.delete(an_item()).failed).untouched  # it is no backup any more
    world.s3.faults.clear()
    assert world.delete(an_item()).deleted == [0]
    assert (world.s3.rows, world.s3.uploads) == ([], {})


def test_without_a_manifest_what_is_newer_than_the_backup_stays(world):
    """Somebody may have written another's folder into a status: that one may be running, without a manifest as yet."""
    world.s3.now = NOW + timedelta(hours=2)
    world.s3.put(f"{folder(1)}pod-9.sql.gz")
    world.s3.create_multipart_upload(Key=f"{folder(1)}pod-9.sql.gz")
    assert world.delete(an_item(completed_at=NOW)).deleted == [0]
    assert world.delete(an_item(completed_at=None)).deleted == [0]
    assert world.s3.keys_there() == [f"{folder(1)}pod-9.sql.gz"]
    assert world.s3.uploads


def test_told_to_end_it_says_what_it_has_done_and_what_not(world):
    for number in (1, 2, 3):
        world.backup(number)
    told = HoldfastError(Reason.INTERRUPTED, "told to end", "again")
    world.s3.faults["list_multipart_uploads"] = lambda: world.s3.deleted and world.stop.request(told)
    report = world.delete(*map(an_item, (1, 2, 3)))
    failed = only(report.failed)
    assert (report.deleted, failed.items, failed.reason, failed.untouched) == ([0], [1, 2], "Interrupted", True)
    assert len(world.s3.keys_there()) == 4
    assert world.s3.calls.count("get_object") == 2  # the third was not even looked at


# -- whose it is


def test_the_folder_of_another_backup_is_not_touched_and_the_others_go(world):
    """As where a status was edited, or two policies write to one prefix."""
    world.backup(1, uid="of-another")
    world.backup(2)
    before = [row for row in world.s3.rows if row.key.startswith(folder(1))]
    report = world.delete(an_item(1), an_item(2))
    failed = only(report.failed)
    assert (report.deleted, failed.items, failed.reason, failed.untouched) == ([1], [0], "ManifestConflict", True)
    assert world.s3.rows == before


@pytest.mark.parametrize("body", [b"of a version to come", b"{}", b"x" * 3_000_000], ids=["text", "empty", "huge"])
def test_a_manifest_that_cannot_be_read_keeps_its_folder(world, body):
    world.s3.put(f"{folder(1)}manifest.json", body)
    world.s3.put(f"{folder(1)}pod-1.sql.gz")
    report = world.delete(an_item())
    assert (only(report.failed).reason, len(world.s3.rows)) == ("ManifestConflict", 2)


def test_a_forged_manifest_that_names_another_backups_artifact_deletes_nothing(world):
    theirs = world.backup(2)
    forged = a_manifest(uid="uid-orders-1", key=f"{theirs}pod-1.sql.gz")
    world.s3.put(f"{folder(1)}manifest.json", forged.to_json())
    before = list(world.s3.rows)
    assert only(world.delete(an_item(1)).failed).reason == "ManifestConflict"
    assert world.s3.rows == before


@pytest.mark.parametrize(
    "fields",
    [
        {"key_prefix": folder(2)},
        {"namespace": "elsewhere"},
        {"backup_id": "backup-20261102-020000"},
        {"key_prefix": "shop/orders/"},
        {"key_prefix": ""},
        {"key_prefix": "shop/"},
    ],
    ids=["another's folder", "another namespace's", "another's id", "a policy's", "the bucket", "a namespace's"],
)
def test_a_folder_that_is_not_the_backups_own_is_not_even_looked_at(world, fields):
    for number in (1, 2):
        world.backup(number)
    before, world.s3.calls = list(world.s3.rows), []
    report = world.delete(an_item(1, **fields))
    assert only(report.failed).untouched
    assert (world.s3.rows, world.s3.calls) == (before, [])


# -- what stays


STAYS = MustStay(uid="uid-orders-9", key_prefix=folder(9))


def test_the_last_good_one_is_looked_for_at_the_moment_of_deletion(world):
    world.backup(1)
    world.backup(9)
    assert world.delete(an_item(1), stays=(STAYS,)).deleted == [0]
    assert len(world.s3.keys_there()) == 2


def nothing(world):
    """Say nothing of it."""


def without_artifact(world):
    world.backup(9)
    world.s3.rows = [row for row in world.s3.rows if row.key != f"{folder(9)}pod-1.sql.gz"]


def cut_short(world):
    world.backup(9)
    world.s3.put(f"{folder(9)}pod-1.sql.gz", DATA[:-1])


@pytest.mark.parametrize(
    "there",
    [nothing, without_artifact, cut_short, lambda world: world.backup(9, uid="of-another")],
    ids=["gone", "its artifact gone", "its artifact cut short", "another's"],
)
def test_where_it_is_not_there_nothing_at_all_is_deleted(world, there):
    world.backup(1)
    there(world)
    before = list(world.s3.rows)
    with pytest.raises(HoldfastError, match="nothing was deleted") as caught:
        world.delete(an_item(1), stays=(STAYS,))
    assert caught.value.reason is Reason.KEPT_BACKUP_MISSING
    assert world.s3.rows == before


def test_where_the_store_does_not_say_whether_it_is_there_nothing_is_deleted(world):
    world.backup(1)
    world.refuse("get_object", "SlowDown", 503)
    with pytest.raises(HoldfastError) as caught:
        world.delete(an_item(1), stays=(STAYS,))
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    assert len(world.s3.keys_there()) == 2


# -- what the store does not let go


def test_what_object_lock_keeps_is_said_with_the_time_and_stays_as_good_as_before(versioned):
    versioned.backup(1, until=LATER)
    versioned.backup(2)
    before = [row for row in versioned.s3.rows if row.until]
    report = versioned.delete(an_item(1), an_item(2))
    kept = only(report.retained)
    assert (report.deleted, report.failed) == ([1], [])
    assert (kept.items, kept.until, kept.untouched) == ([0], LATER, True)
    assert versioned.s3.rows == before


def test_an_artifact_that_is_kept_longer_than_its_manifest_is_no_backup_and_goes_in_time(versioned):
    prefix = versioned.backup()
    versioned.s3.rows[0].until = LATER
    kept = only(versioned.delete(an_item()).retained)
    assert (kept.until, kept.untouched) == (LATER, False)
    assert versioned.s3.keys_there() == [f"{prefix}pod-1.sql.gz"]
    versioned.s3.now = LATER + timedelta(seconds=1)
    assert versioned.delete(an_item()).deleted == [0]
    assert versioned.s3.rows == []


def test_a_hidden_manifest_that_is_locked_is_not_brought_to_light_again(versioned):
    prefix = versioned.backup(until=LATER)
    versioned.s3.delete_object(f"{prefix}manifest.json")
    assert only(versioned.delete(an_item()).retained).until == LATER
    assert f"{prefix}manifest.json" not in versioned.s3.keys_there()


def test_a_legal_hold_has_no_end_so_it_is_a_failure_that_says_so(versioned):
    versioned.backup(hold=True)
    failed = only(versioned.delete(an_item()).failed)
    assert "legal hold" in failed.message
    assert failed.untouched


def test_a_lock_that_has_ended_explains_no_refusal(versioned):
    versioned.backup(until=BEFORE)
    versioned.s3.deletes_versions = False
    assert only(versioned.delete(an_item()).failed).reason == "StorageAccessDenied"


@pytest.mark.parametrize("right", ["delete_object", "list_multipart_uploads"])
def test_without_a_right_nothing_of_it_goes_and_the_remedy_names_it(world, right):
    world.backup(1)
    world.backup(2)
    before = list(world.s3.rows)
    world.refuse(right)
    failed = only(world.delete(an_item(1), an_item(2)).failed)
    assert (failed.items, failed.reason, failed.untouched) == ([0, 1], "StorageAccessDenied", True)
    for named in ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3.pruneSecretName"):
        assert named in failed.message
    assert world.s3.rows == before


def test_as_good_as_before_is_only_what_was_seen_to_be(world):
    world.backup(1)
    world.backup(2)
    world.refuse("delete_object")
    assert world.delete(an_item(1), an_item(2)).whole == [0, 1]
    world.refuse("get_object")
    report = world.delete(an_item(1), an_item(2))
    assert (report.whole, only(report.failed).untouched) == ([], True)  # this Job has not seen them


def test_what_lost_its_manifest_to_a_former_job_is_not_called_good_by_one_that_may_not_look(world):
    world.backup()
    world.refuse("delete_object", "InternalError", 500, after=1)
    assert world.delete(an_item()).whole == []
    world.s3.faults.clear()
    world.refuse("get_object")
    assert world.delete(an_item()).whole == []


def test_versions_are_never_passed_over_for_want_of_the_right_to_list_them(versioned):
    versioned.backup()
    versioned.s3.lists_versions = False
    failed = only(versioned.delete(an_item()).failed)
    assert (failed.reason, failed.untouched) == ("StorageAccessDenied", True)
    assert "s3:ListBucketVersions" in failed.message
    assert len(versioned.s3.keys_there()) == 2


def test_where_no_versions_are_kept_nobody_needs_the_right_to_delete_them(versioned):
    versioned.s3.keeps = versioned.s3.deletes_versions = False
    versioned.backup()
    assert versioned.delete(an_item()).deleted == [0]


@pytest.mark.parametrize("code", ["AccessDenied", "NotImplemented"])
def test_where_no_versions_are_kept_nobody_needs_the_right_to_list_them(versioned, code):
    versioned.s3.keeps = False
    versioned.backup()
    versioned.refuse("list_object_versions", code, 403 if code == "AccessDenied" else 501)
    assert versioned.delete(an_item()).deleted == [0]
    assert versioned.s3.rows == []


def test_a_manifest_whose_deletion_was_answered_by_nobody_is_not_called_untouched(world):
    """The request may have been heard: it is looked for, and where that says nothing, it counts as gone."""
    world.backup()
    world.refuse("delete_object", "SlowDown", 503)
    assert only(world.delete(an_item()).failed).untouched  # it is there
    world.refuse("head_object", "SlowDown", 503)
    assert not only(world.delete(an_item()).failed).untouched


def test_a_folder_with_very_many_objects_is_left_to_a_person(world, monkeypatch):
    monkeypatch.setattr(purge, "MOST", 5)
    prefix = world.backup()
    for number in range(4):
        world.s3.put(f"{prefix}x-{number}")
    failed = only(world.delete(an_item()).failed)
    assert failed.untouched
    assert "more than 5 objects" in failed.message
    assert len(world.s3.rows) == 6


def test_a_fault_of_ours_in_one_stops_no_other(world, monkeypatch):
    world.backup(1)
    world.backup(2)
    real = delete.manifests.read

    def read(store, prefix, uid, model):
        if prefix == folder(1):
            raise ZeroDivisionError("secret words")
        return real(store, prefix, uid, model)

    monkeypatch.setattr(delete.manifests, "read", read)
    report = world.delete(an_item(1), an_item(2))
    failed = only(report.failed)
    assert (report.deleted, failed.reason) == ([1], "InternalError")
    assert "secret words" not in failed.message + world.log.getvalue()


@pytest.mark.usefixtures("signals_as_before")
def test_what_became_of_each_is_the_jobs_last_word_and_some_that_failed_are_no_failed_job(world, monkeypatch, tmp_path):
    world.backup(1)
    world.backup(2, uid="of-another")
    places = Places(run=tmp_path, termination_log=tmp_path / "termination-log")
    task = DeleteTask(items=[an_item(1), an_item(2)], s3=S3Storage(bucket="backups"), key_prefix=folder(1),
                      deadline_seconds=60)  # fmt: skip
    monkeypatch.setenv(TASK_VARIABLE, tasks.to_environment(task))
    assert runner.run([], places) == 0
    said = reports.parse(places.termination_log.read_text())
    assert (said.kind, said.outcome, said.message) == ("delete", "Succeeded", "deleted 1 of 2 backups")
    assert (said.deletion.deleted, only(said.deletion.failed).items) == ([0], [1])
