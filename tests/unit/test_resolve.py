"""What is in force where the policy says nothing, and who wins where several speak."""

import pytest
from tests.builders import a_policy, an_rds_policy, policy_dict, settings

from holdfast.api.database import Engine
from holdfast.api.policy import BackupPolicySpec, Environment
from holdfast.decide.images import fitting_key, other_majors, runner_image
from holdfast.decide.resolve import image_of, no_image, resolve
from holdfast.errors import HoldfastError, Reason


@pytest.mark.parametrize(("environment", "days"), [("dev", 30), ("staging", 60), ("production", 90)])
def test_retention_follows_the_environment(environment, days):
    assert resolve(a_policy(environment=environment), settings()).retention.days == days


def test_every_environment_has_a_retention():
    assert all(environment.retention_days > 0 for environment in Environment)


def test_the_policy_wins_over_the_chart_and_the_chart_over_the_built_in():
    chart = {"storage": {"s3": {"bucket": "chart", "region": "eu-1"}}, "job": {"backoffLimit": 5}}
    policy = a_policy(storage={"s3": {"bucket": "policy"}}, job={"startTimeoutSeconds": 30})

    resolved = resolve(policy, settings(defaults=chart))

    assert (resolved.storage.s3.bucket, resolved.storage.s3.region) == ("policy", "eu-1")
    assert (resolved.job.start_timeout_seconds, resolved.job.backoff_limit) == (30, 5)
    assert resolved.job.active_deadline_seconds == 21600


@pytest.mark.parametrize(
    ("chart", "policy", "in_force"),
    [
        ({"caSecretName": "a"}, {}, ("Secret", "a", "ca.crt")),
        ({"caSecretName": "a"}, {"caSecretKey": "b"}, ("Secret", "a", "b")),
        ({"caSecretName": "a"}, {"caConfigMapName": "b"}, ("ConfigMap", "b", "ca.crt")),
        ({"caConfigMapName": "a", "caConfigMapKey": "c"}, {"caSecretName": "b"}, ("Secret", "b", "ca.crt")),
        ({}, {}, None),
    ],
    ids=["the chart's", "its key", "a ConfigMap instead", "a Secret instead", "none"],
)
def test_a_policys_own_authority_takes_the_place_of_the_charts_of_whichever_kind(chart, policy, in_force):
    defaults = {"storage": {"s3": {"bucket": "backups", **chart}}}
    resolved = resolve(a_policy(storage={"s3": policy}), settings(defaults=defaults))

    assert resolved.storage.s3.authority() == in_force
    assert not (resolved.storage.s3.ca_secret_name and resolved.storage.s3.ca_config_map_name)


def test_resources_and_where_a_pod_may_run_are_taken_whole():
    term = {"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "zone"}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    near, far = {"podAffinity": required}, {"podAntiAffinity": required}
    chart = {"job": {"resources": {"limits": {"cpu": "2"}}, "nodeSelector": {"disk": "fast"}, "affinity": near}}
    own = {"resources": {"limits": {"memory": "1Gi"}}, "nodeSelector": {"zone": "a"}, "affinity": far}
    policy = a_policy(job=own)

    job = resolve(policy, settings(defaults=chart)).job

    assert job.resources.to_dict() == {"limits": {"memory": "1Gi"}}
    assert job.node_selector == {"zone": "a"}
    assert job.affinity.to_dict() == far


def test_resolving_twice_changes_nothing():
    once = resolve(a_policy(), settings())

    assert resolve(once, settings(defaults={"job": {"backoffLimit": 9}})) == once


def test_no_bucket_anywhere_is_said_with_both_places_to_set_it():
    with pytest.raises(HoldfastError) as caught:
        resolve(a_policy(storage={}), settings(defaults={}))

    assert caught.value.reason is Reason.STORAGE_NOT_SET
    assert "spec.storage.s3.bucket" in caught.value.message
    assert "defaults.storage.s3.bucket" in caught.value.remedy


SIZE = "must be a size from 1Mi to 1Ei"


def limits(**amounts):
    return {"job": {"resources": {"limits": amounts}}}


def requests(**amounts):
    return {"job": {"resources": {"requests": amounts}}}


OUT_OF_LIMITS = {
    "half a byte of storage": (
        limits(**{"ephemeral-storage": "500m"}),
        f"job.resources.limits.ephemeral-storage {SIZE}",
    ),
    "half a byte of scratch": ({"job": {"scratch": {"sizeLimit": "500m"}}}, f"job.scratch.sizeLimit {SIZE}"),
    "an astronomic size": (
        limits(**{"ephemeral-storage": "1e999999"}),
        f"job.resources.limits.ephemeral-storage {SIZE}",
    ),
    "bytes where Mi was meant": (limits(memory=512), f"job.resources.limits.memory {SIZE}"),
    "no memory at all": (limits(memory="0"), f"job.resources.limits.memory {SIZE}"),
    "more than there is": (requests(memory="2Ei"), f"job.resources.requests.memory {SIZE}"),
    "an astronomic processor": (requests(cpu="1e999999"), "job.resources.requests.cpu must be a number of processors"),
    "a prefix with an empty part": ({"storage": {"s3": {"prefix": "eu//db"}}}, "storage.s3.prefix must not have empty"),
    "a prefix that begins with one": ({"storage": {"s3": {"prefix": "//db"}}}, "storage.s3.prefix must not have empty"),
    "a prefix that ends with one": ({"storage": {"s3": {"prefix": "db//"}}}, "storage.s3.prefix must not have empty"),
}


@pytest.mark.parametrize(("fields", "sentence"), OUT_OF_LIMITS.values(), ids=OUT_OF_LIMITS)
@pytest.mark.parametrize("where", ["policy", "chart"])
@pytest.mark.timeout(2)
def test_what_the_api_server_took_once_or_never_saw_is_refused_by_name(fields, sentence, where):
    policy = policy_dict()
    del policy["storage"]["s3"]["prefix"]
    given = a_policy(**fields) if where == "policy" else BackupPolicySpec.model_validate(policy)
    chart = {"storage": {"s3": {"bucket": "backups"}}} | (fields if where == "chart" else {})
    chart["storage"]["s3"].setdefault("bucket", "backups")

    with pytest.raises(HoldfastError) as caught:
        resolve(given, settings(defaults=chart))

    assert caught.value.reason is Reason.INVALID_SPEC
    assert caught.value.message.startswith(f"spec.{sentence}")
    assert "chart's defaults" in caught.value.remedy


@pytest.mark.parametrize(
    "fields",
    [
        requests(cpu=0, memory=0),
        requests(memory="0Gi"),
        limits(cpu="1500m", memory="1Mi"),
        limits(cpu="1k", **{"ephemeral-storage": "1Ei"}),
        limits(memory=2**30),
        limits(memory="1.5e9"),
        {"job": {"scratch": {"sizeLimit": "1048576"}}},
        {"storage": {"s3": {"prefix": "/eu/db/"}}},
    ],
    ids=str,
)
def test_what_the_api_server_takes_is_taken(fields):
    resolve(a_policy(**fields), settings())


def test_the_newest_image_of_the_engine_is_taken():
    images = {"postgres-9": "old", "postgres-17": "new", "postgres-x": "odd", "mysql-99": "other"}

    assert runner_image(a_policy().database.engine, settings(images=images)) == ("postgres-17", "new")


@pytest.mark.parametrize("engine", Engine)
def test_without_an_image_the_key_that_is_given_as_an_example_is_one_that_would_be_taken(engine):
    with pytest.raises(HoldfastError) as caught:
        runner_image(engine, settings(images={}))

    key = caught.value.remedy.rpartition("e.g. ")[2]
    assert caught.value.reason is Reason.IMAGE_NOT_SET
    assert runner_image(engine, settings(images={key: "x"})) == (key, "x")


@pytest.mark.parametrize(("engine", "key"), [("mysql", "mysql-9"), ("mariadb", "mariadb-11")])
def test_mysql_and_mariadb_have_images_of_their_own(engine, key):
    images = {"postgres-17": "a", "mysql-9": "b", "mariadb-11": "c"}
    assert runner_image(Engine(engine), settings(images=images), 8) == (key, images[key])


def test_only_a_directory_dump_has_a_number_of_jobs():
    assert resolve(a_policy(), settings()).dump.jobs is None
    assert resolve(a_policy(dump={"format": "directory"}), settings()).dump.jobs == 4
    assert resolve(a_policy(dump={"format": "directory", "jobs": 9}), settings()).dump.jobs == 9


IMAGES = {"postgres-15": "a", "postgres-17": "b", "postgres-18": "c", "mysql-9": "d"}


@pytest.mark.parametrize(
    ("server", "key"),
    [
        pytest.param(None, "postgres-18", id="not known: the newest"),
        pytest.param(15, "postgres-15", id="its own version"),
        pytest.param(17, "postgres-17", id="its own version, though there is a newer one"),
        pytest.param(16, "postgres-17", id="none of its own: the next newer one"),
        pytest.param(9, "postgres-15", id="older than all"),
        pytest.param(19, "postgres-18", id="newer than all: the newest, which will refuse"),
    ],
)
def test_the_image_follows_the_servers_version(server, key):
    engine = a_policy().database.engine

    assert runner_image(engine, settings(images=IMAGES), server) == (key, IMAGES[key])


def test_a_server_that_is_newer_than_every_image_has_none_that_fits():
    engine = a_policy().database.engine

    assert fitting_key(engine, settings(images=IMAGES), 19) is None
    assert fitting_key(engine, settings(images=IMAGES), None) is None
    assert fitting_key(engine, settings(images=IMAGES), 16) == "postgres-17"


@pytest.mark.parametrize(("server", "others"), [(None, [15, 17]), (15, [17, 18]), (16, [15, 18]), (19, [15, 17])])
def test_a_job_is_told_which_servers_another_image_is_made_for(server, others):
    assert other_majors(a_policy().database.engine, settings(images=IMAGES), server) == others


@pytest.mark.parametrize(("algorithm", "level"), [("gzip", "fast"), ("zstd", "fast"), ("none", None)])
def test_a_level_is_in_force_where_something_compresses(algorithm, level):
    policy = a_policy(dump={"format": "custom", "compression": {"algorithm": algorithm}})
    assert resolve(policy, settings()).to_dict()["dump"] == {
        "format": "custom",
        "compression": {"algorithm": algorithm} | ({"level": level} if level else {}),
    }


def test_how_objects_are_kept_is_taken_whole():
    chart = {
        "tags": {"team": "platform", "cost": "7"},
        "serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyID": "k"},
    }
    s3 = {"bucket": "policy", "tags": {"team": "shop"}, "serverSideEncryption": {"algorithm": "AES256"}}

    resolved = resolve(a_policy(storage={"s3": s3}), settings(defaults={"storage": {"s3": chart}})).storage.s3

    assert resolved.tags == {"team": "shop"}
    assert resolved.server_side_encryption.kms_key_id is None


def test_what_nobody_sets_is_holdfasts_own():
    resolved = resolve(a_policy(storage={"s3": {}}), settings()).to_dict()
    assert resolved["storage"] == {
        "s3": {
            "bucket": "backups", "addressingStyle": "auto", "caSecretKey": "ca.crt", "checksums": "sha256",
            "secretKeys": {key: key for key in ("accessKeyID", "secretAccessKey", "sessionToken")},
        },
    }  # fmt: skip
    assert resolved["job"] == {
        "serviceAccountName": "default", "startTimeoutSeconds": 600, "activeDeadlineSeconds": 21_600,
        "backoffLimit": 2, "scratch": {"sizeLimit": "10Gi"},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
    }  # fmt: skip


ENCRYPTION = {"age": {"recipients": [f"age1{'q' * 58}"]}}


def test_a_snapshot_has_neither_scratch_nor_encryption_of_ours_and_all_else_as_it_is():
    chart = {"storage": {"s3": {"bucket": "backups"}, "encryption": ENCRYPTION}}
    dump, snapshot = (resolve(policy, settings(defaults=chart)) for policy in (a_policy(), an_rds_policy()))
    assert dump.storage.encryption is not None
    assert snapshot.storage.encryption is None
    assert snapshot.job == dump.job.model_copy(update={"scratch": None})


def test_a_policys_own_authority_leaves_all_else_of_the_charts_in_force():
    s3 = {"bucket": "backups", "region": "eu-1", "caSecretName": "a"}
    chart = {"storage": {"s3": s3, "encryption": ENCRYPTION}, "job": {"backoffLimit": 5}}
    resolved = resolve(a_policy(storage={"s3": {"caConfigMapName": "mine"}}), settings(defaults=chart))
    assert (resolved.storage.s3.region, resolved.job.backoff_limit) == ("eu-1", 5)
    assert resolved.storage.encryption.to_dict() == ENCRYPTION


@pytest.mark.parametrize("images", [{"aws-1": "x"}, {}], ids=["another key", "none"])
def test_a_snapshot_needs_the_image_that_asks_aws(images):
    assert image_of(an_rds_policy(), settings(images={"aws": "x"})) == ("aws", "x")
    error = no_image(an_rds_policy(), settings(images=images))
    assert error.reason is Reason.IMAGE_NOT_SET
    assert "lacks the key aws" in error.message


def test_other_servers_are_told_in_their_order_whatever_that_of_the_chart():
    images = {"postgres-18": "c", "postgres-15": "a", "postgres-17": "b"}
    assert other_majors(a_policy().database.engine, settings(images=images), 15) == [17, 18]


def test_when_backups_are_taken_is_no_part_of_what_is_in_force_for_one():
    assert resolve(a_policy(schedule={"cron": "@daily"}), settings()).schedule is None
