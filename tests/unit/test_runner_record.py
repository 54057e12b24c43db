"""The manifest is the last word: written once, never over another's, and an artifact is checked against it."""

import pytest
from tests.builders import UID
from tests.fake_s3 import FakeS3, client_error, sha256
from tests.manifests import DATA, PREFIX, a_manifest

from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import manifests
from holdfast.runner.bucket import store as stores
from holdfast.runner.bucket.store import Store


@pytest.fixture
def s3():
    return FakeS3()


@pytest.fixture
def store(s3):
    return Store(S3Storage(bucket="backups"), s3)


def test_the_first_manifest_is_in_force(store):
    assert manifests.publish(store, PREFIX, a_manifest()) == a_manifest()
    assert manifests.find(store, PREFIX, UID) == a_manifest()


def test_a_second_pod_of_the_same_backup_gets_the_firsts(store):
    manifests.publish(store, PREFIX, a_manifest("pod-1"))
    assert manifests.publish(store, PREFIX, a_manifest("pod-2")).pod_uid == "pod-1"


CONDITIONS = ["kept", "ignored", "NotImplemented", "InvalidArgument", "InvalidRequest"]


@pytest.mark.parametrize("conditions", CONDITIONS)
def test_whatever_a_store_makes_of_conditions_no_manifest_is_written_over_another(conditions):
    s3 = FakeS3(conditions=conditions)
    store = Store(S3Storage(bucket="backups"), s3)
    assert manifests.publish(store, PREFIX, a_manifest("pod-1")).pod_uid == "pod-1"
    assert manifests.publish(store, PREFIX, a_manifest("pod-2")).pod_uid == "pod-1"


@pytest.mark.parametrize("conditions", CONDITIONS)
def test_of_two_manifests_written_at_once_only_a_store_with_conditions_keeps_the_first(conditions):
    s3 = FakeS3(conditions=conditions)
    store = Store(S3Storage(bucket="backups"), s3)
    read = []

    def second_publishes():  # between the first's look and its writing
        s3.faults.clear()
        read.append(manifests.publish(store, PREFIX, a_manifest("pod-2")).pod_uid)

    s3.faults["put_object"] = second_publishes
    read.append(manifests.publish(store, PREFIX, a_manifest("pod-1")).pod_uid)
    assert read == (["pod-2", "pod-2"] if conditions == "kept" else ["pod-2", "pod-1"])
    assert manifests.find(store, PREFIX, UID).pod_uid == read[-1]


def test_a_refusal_that_is_not_about_the_condition_stays_one(store, s3):
    s3.faults["put_object"] = lambda: (_ for _ in ()).throw(client_error("InvalidRequest", 400))
    with pytest.raises(HoldfastError, match="InvalidRequest"):
        manifests.publish(store, PREFIX, a_manifest())
    assert s3.calls.count("put_object") == 2


def conflicts(s3, times, then=lambda: None):
    """Have the store say, so many times, that another request for this key is on its way."""
    left = iter(range(times))

    def fault():
        if next(left, None) is not None:
            raise client_error("ConditionalRequestConflict", 409)
        then()

    s3.faults["put_object"] = fault


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(stores, "PAUSE", 0.0)


@pytest.mark.usefixtures("no_pause")
def test_a_conflict_of_two_requests_at_once_is_asked_again(store, s3):
    conflicts(s3, 3)
    assert manifests.publish(store, PREFIX, a_manifest()).pod_uid == "pod-1"


@pytest.mark.usefixtures("no_pause")
def test_after_a_conflict_the_manifest_of_the_other_pod_stays(store, s3):
    other = a_manifest("pod-2").to_json()
    conflicts(s3, 1, then=lambda: s3.objects.setdefault(PREFIX + "manifest.json", other))
    assert manifests.publish(store, PREFIX, a_manifest("pod-1")).pod_uid == "pod-2"


@pytest.mark.usefixtures("no_pause")
def test_a_conflict_without_end_is_an_error(store, s3):
    conflicts(s3, 1000)
    with pytest.raises(HoldfastError, match="ConditionalRequestConflict"):
        manifests.publish(store, PREFIX, a_manifest())
    assert s3.objects == {}


def test_another_backups_manifest_is_a_conflict_and_stays(store, s3):
    manifests.publish(store, PREFIX, a_manifest(uid="theirs"))
    before = dict(s3.objects)
    with pytest.raises(HoldfastError, match="another backup") as caught:
        manifests.publish(store, PREFIX, a_manifest())
    assert caught.value.reason is Reason.MANIFEST_CONFLICT
    assert s3.objects == before


@pytest.mark.parametrize("data", [b"", b"{}", b"not json", b'{"version": 99}'])
def test_what_is_no_manifest_is_a_conflict(store, s3, data):
    s3.put_object(Key=PREFIX + "manifest.json", Body=data)
    with pytest.raises(HoldfastError) as caught:
        manifests.find(store, PREFIX, UID)
    assert caught.value.reason is Reason.MANIFEST_CONFLICT


def test_a_manifest_that_points_outside_its_folder_is_a_conflict(store):
    with pytest.raises(HoldfastError, match="outside its own folder"):
        manifests.publish(store, PREFIX, a_manifest(key="shop/orders/backup-2/pod-1.sql.gz"))


def test_an_error_while_looking_is_no_absence(store, s3):
    def denied():
        raise client_error("AccessDenied", 403)

    s3.faults["get_object"] = denied
    with pytest.raises(HoldfastError) as caught:
        manifests.find(store, PREFIX, UID)
    assert caught.value.reason is Reason.STORAGE_ACCESS_DENIED


def checked(store, manifest):
    artifact = manifest.artifact
    return manifests.check(store, artifact.key, artifact.size_bytes, artifact.store_checksum, artifact.sha256)


def put(s3, manifest, data=DATA):
    s3.put_object(Key=manifest.artifact.key, Body=data)


def test_an_artifact_with_the_stores_right_checksum_is_verified_without_being_read(store, s3):
    put(s3, a_manifest())
    assert checked(store, a_manifest()) == sha256(DATA)
    assert "get_object" not in s3.calls


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a dumb", Reason.CHECKSUM_MISMATCH),
        (b"a dump and more", Reason.SIZE_IMPLAUSIBLE),
        (b"", Reason.SIZE_IMPLAUSIBLE),
    ],
)
@pytest.mark.parametrize("checksums", [True, False], ids=["a store with checksums", "a store without"])
def test_an_artifact_that_changed_is_noticed(data, reason, checksums):
    s3 = FakeS3(checksums)
    put(s3, a_manifest(), data)
    with pytest.raises(HoldfastError) as caught:
        checked(Store(S3Storage(bucket="backups"), s3), a_manifest())
    assert caught.value.reason is reason


def test_an_artifact_that_is_gone_is_noticed(store):
    with pytest.raises(HoldfastError) as caught:
        checked(store, a_manifest())
    assert caught.value.reason is Reason.BACKUP_NOT_FOUND


def test_a_store_without_checksums_is_read_back():
    import hashlib

    s3 = FakeS3(checksums=False)
    manifest = a_manifest(sha256=hashlib.sha256(DATA).hexdigest(), store_checksum=None)
    put(s3, manifest)
    assert checked(Store(S3Storage(bucket="backups"), s3), manifest) is None
    assert "get_object" in s3.calls
