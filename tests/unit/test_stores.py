"""A store that policies name by its key: what is in force, what is refused, and what a store that is gone leaves."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.builders import NOW, a_backup, a_begun_backup, a_policy, observed, policy_dict, settings

from holdfast.api.backup import Phase
from holdfast.api.storage import OF_A_STORE, S3Storage
from holdfast.decide.backup.steps import decide
from holdfast.decide.policy.statuses import spec_of, status
from holdfast.decide.resolve import resolve
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings, load

EU = {"bucket": "eu-backups", "region": "eu-central-1", "secretName": "eu-s3", "tags": {"kept": "eu"}}
ARCHIVE = {"bucket": "archive", "endpoint": "https://s3.archive:8333", "addressingStyle": "path", "caSecretName": "ca"}
STORES = {"eu": EU, "archive": ARCHIVE}
DEFAULTS = {"bucket": "backups", "endpoint": "http://s3:8333", "storageClass": "STANDARD_IA", "caConfigMapName": "ca"}


def s3_of(storage: dict[str, Any], defaults: dict[str, Any] | None = None) -> dict[str, Any]:
    chart = settings(stores=STORES, defaults={"storage": defaults or {"s3": DEFAULTS}})
    return resolve(a_policy(storage=storage), chart).storage.to_dict()


def test_what_the_store_is_stands_whole_in_what_is_in_force_with_its_key():
    found = s3_of({"store": "archive"})

    assert found["store"] == "archive"
    assert {key: found["s3"][key] for key in ARCHIVE} == ARCHIVE


def test_a_policy_that_names_a_store_takes_nothing_of_another_buckets_defaults():
    assert "endpoint" not in s3_of({"store": "eu"})["s3"]
    assert "storageClass" not in s3_of({"store": "eu"})["s3"]
    assert s3_of({"store": "eu"})["s3"]["addressingStyle"] == "auto"  # what nobody says is Holdfast's own


def test_a_policy_says_how_its_objects_are_kept_in_a_store_and_with_which_secret_of_its_namespace():
    own = {"prefix": "shop", "secretName": "mine", "pruneSecretName": "prune", "tags": {"team": "shop"}}

    assert own.items() <= s3_of({"store": "eu", "s3": own})["s3"].items()


@pytest.mark.parametrize(
    ("storage", "store", "bucket", "secret"),
    [
        pytest.param({}, "eu", "eu-backups", "eu-s3", id="nothing is said"),
        pytest.param({"store": "archive"}, "archive", "archive", None, id="another store"),
        pytest.param({"s3": {"prefix": "shop"}}, "eu", "eu-backups", "eu-s3", id="only a folder in it"),
        pytest.param(
            {"s3": {"bucket": "mine"}}, None, "mine", "eu-s3", id="a bucket of its own: that is not the store"
        ),
    ],
)
def test_the_charts_default_may_be_a_store(storage, store, bucket, secret):
    found = s3_of(storage, {"store": "eu", "s3": {"storageClass": "STANDARD_IA"}})

    assert (found.get("store"), found["s3"]["bucket"], found["s3"].get("secretName")) == (store, bucket, secret)
    assert ("storageClass" in found["s3"]) is (store != "archive")


@pytest.mark.parametrize(
    ("storage", "default"),
    [({"store": "eu"}, {}), ({}, {"store": "eu"})],
    ids=["the policy names it", "the chart names it"],
)
def test_a_store_leaves_all_else_of_the_charts_defaults_in_force(storage, default):
    encryption = {"age": {"recipients": [f"age1{'q' * 58}"]}}
    chart = {"storage": {"encryption": encryption, **default}, "job": {"backoffLimit": 5}}

    resolved = resolve(a_policy(storage=storage), settings(stores=STORES, defaults=chart))

    assert resolved.storage.s3.bucket == "eu-backups"
    assert resolved.storage.encryption.to_dict() == encryption
    assert resolved.job.backoff_limit == 5


@pytest.mark.parametrize(
    ("stores", "there"),
    [(STORES, "they name archive, eu"), ({}, "they name no store")],
    ids=["others are there", "there are none"],
)
def test_a_store_that_is_not_there_is_said_by_name_with_those_that_are(stores, there):
    with pytest.raises(HoldfastError) as caught:
        resolve(a_policy(storage={"store": "us"}), settings(stores=stores))

    assert caught.value.reason is Reason.STORE_NOT_FOUND
    assert caught.value.message.startswith("spec.storage.store names the store us, ")
    assert caught.value.message.endswith(there)
    assert "stores.us" in caught.value.remedy


def test_a_policy_whose_store_is_gone_is_stalled_and_a_new_backup_fails_with_the_same_words():
    spec = spec_of(policy_dict(storage={"store": "us"}))
    said = {each.type: each for each in status(spec, {}, 1, settings(stores=STORES), NOW).conditions}
    began = decide(observed(a_backup(), policy=spec), settings(stores=STORES), NOW).status

    assert [(said[kind].status, said[kind].reason) for kind in ("Ready", "Stalled")] == [
        ("False", "StoreNotFound"), ("True", "StoreNotFound"),
    ]  # fmt: skip
    assert (began.phase, began.failure.reason, began.resolved) == (Phase.FAILED, "StoreNotFound", None)
    assert said["Ready"].message == f"{began.failure.message}. What to do: {began.failure.remedy}"


def test_what_has_begun_in_a_store_goes_on_in_it_when_the_store_is_gone_or_another_one():
    policy = a_policy(storage={"store": "eu"})
    resolved = resolve(policy, settings(stores=STORES))
    begun = a_begun_backup(resolved=resolved)
    for stores in ({}, {"eu": {"bucket": "elsewhere"}}):
        decision = decide(observed(begun, policy=policy), settings(stores=stores), NOW)
        assert decision.status is None or decision.status.resolved == resolved
        assert decision.act is not None, "its Job is made"


def test_what_a_store_says_alone_and_what_is_left_to_a_policy_are_together_all_there_is():
    left = {
        "prefix", "secretName", "secretKeys", "pruneSecretName", "serverSideEncryption", "storageClass", "tags",
        "objectLock",
    }  # fmt: skip
    fields = {field.alias for field in S3Storage.model_fields.values()}

    assert left | {*OF_A_STORE} == fields
    assert not left & {*OF_A_STORE}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"stores": {"eu": {"region": "eu-1"}}}, "stores.eu.bucket is missing", id="no bucket"),
        pytest.param({"stores": {"eu": EU | {"prefix": "a//b"}}}, "stores.eu.prefix must not", id="an empty part"),
        pytest.param({"stores": {"EU": EU}}, "stores.EU", id="a key that no policy can name"),
        pytest.param({"stores": {"eu": EU | {"buket": "b"}}}, "stores.eu.buket", id="a misspelt field"),
        pytest.param(
            {"stores": {"eu": EU}, "defaults": {"storage": {"store": "us"}}},
            "defaults.storage.store names a store that the value stores lacks: us",
            id="a default store that is none",
        ),
        pytest.param(
            {"stores": {"eu": EU}, "defaults": {"storage": {"store": "eu", "s3": {"bucket": "else"}}}},
            "defaults.storage.store contradicts defaults.storage.s3",
            id="a default store and a default bucket",
        ),
    ],
)
def test_wrong_settings_end_the_start_by_the_fields_name(tmp_path: Path, changes, says):
    with pytest.raises(HoldfastError, match=says):
        load(written(tmp_path, changes))


def test_right_settings_are_read(tmp_path: Path):
    changes = {"stores": STORES, "defaults": {"storage": {"store": "eu", "s3": {"tags": {"a": "b"}}}}}

    assert load(written(tmp_path, changes)).stores["archive"].to_dict() == ARCHIVE


def written(folder: Path, changes: dict[str, Any]) -> Path:
    file = folder / "settings.json"
    file.write_text(json.dumps(Settings(images={}).to_dict() | changes))
    return file
