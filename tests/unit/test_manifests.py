"""The Jobs that are built: what every one of them must and must not have, and what is pasted to restore."""

import dataclasses
import json

import pytest
from tests.builders import NOW, UID, a_begun_backup, a_policy, as_begun, policy_dict, settings
from tests.pasting import Room

from holdfast.api.backup import VerificationRun
from holdfast.contract import paths, task
from holdfast.contract.task import Pinned
from holdfast.decide.resolve import resolve
from holdfast.manifests import jobs, methods, tasks
from holdfast.manifests.restore_dump import restore_command

RUNNER = jobs.Runner("holdfast-runner-postgres:17", "IfNotPresent", {"HTTPS_PROXY": "http://proxy:3128"})
OWNER = jobs.Owner("DatabaseBackup", "shop", "orders-1", UID, "orders")
NAMES = [
    "orders",
    'it\'s "quoted"',
    "$(HOME) $$ $x `id`",
    "back\\slash & % ;",
    "größe 数据",
    "line\nbreak",
    "@TARGET_HOST@x",
]


def a_status(**policy):
    return a_begun_backup().status.model_copy(update={"resolved": resolve(a_policy(**policy), settings())})


def a_job(**policy):
    backup, status = a_begun_backup(), a_status(**policy)
    work = methods.of(OWNER, as_begun(status)).backup(backup.spec, [])
    return jobs.backup_job("orders-1-backup-x", OWNER, 1, work, status.resolved, RUNNER)


def a_pod(**policy):
    return a_job(**policy)["spec"]["template"]["spec"]


def pasted(tmp_path, commands, variables):
    """Return the Job that the commands make. A shell really runs them; only kubectl is replaced."""
    done = Room(tmp_path).paste(commands, variables=variables)
    assert done.code == 0, done.said
    return done.job


def with_database(name="orders", **connection):
    database = policy_dict()["database"]
    return {"database": {**database, "name": name, "connection": database["connection"] | connection}}


def test_every_pod_meets_the_restricted_standard_and_has_no_api_token():
    pod = a_pod()
    container = pod["containers"][0]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "fsGroup" not in pod["securityContext"], "libpq ignores a pgpass that the group may read"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "command" not in container


def test_where_the_cluster_gives_each_namespace_its_user_none_is_named():
    work = methods.of(OWNER, as_begun(a_status())).backup(a_begun_backup().spec, [])
    runner = dataclasses.replace(RUNNER, own_user=False)

    job = jobs.backup_job("orders-1-backup-x", OWNER, 1, work, a_status().resolved, runner)

    assert job["spec"]["template"]["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_a_job_goes_where_its_policy_says():
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
              "labelSelector": {"matchLabels": {"app": "a"}}}  # fmt: skip
    far = {"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "kubernetes.io/hostname"}
    placed = {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [far]}},
        "topologySpreadConstraints": [spread],
        "priorityClassName": "backups",
        "nodeSelector": {"disk": "ssd"},
    }
    pod = a_pod(job=placed)

    assert {name: pod[name] for name in placed} == placed
    assert not a_pod().keys() & placed.keys()


def test_secrets_come_as_optional_files_and_never_as_variables():
    pod = a_pod(storage={"s3": {"bucket": "backups", "secretName": "s3"}}, **with_database(secretName="pg"))
    secrets = {v["secret"]["secretName"]: v["secret"]["optional"] for v in pod["volumes"] if "secret" in v}

    assert secrets == {"pg": True, "s3": True}
    assert {entry["name"] for entry in pod["containers"][0]["env"]} == {
        paths.TASK_VARIABLE, paths.POD_UID_VARIABLE, "HTTPS_PROXY",
    }  # fmt: skip


def test_without_a_store_secret_the_pods_own_identity_is_left_to_work():
    assert [v["name"] for v in a_pod()["volumes"]] == ["run", "database", "spool"]


def test_certificate_authorities_are_mounted_where_they_are_named():
    storage = {"s3": {"bucket": "backups", "caSecretName": "s3-ca"}}
    pod = a_pod(storage=storage, **with_database(tls={"mode": "verify-full", "caSecretName": "pg-ca"}))
    mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}

    assert mounts["database-ca"] == paths.DATABASE_CA
    assert mounts["storage-ca"] == paths.STORAGE_CA


def test_a_certificate_authority_may_be_in_a_config_map():
    storage = {"s3": {"bucket": "backups", "caConfigMapName": "trust"}}
    pod = a_pod(storage=storage, **with_database(tls={"mode": "verify-full", "caConfigMapName": "trust"}))
    maps = {v["name"]: v["configMap"] for v in pod["volumes"] if "configMap" in v}
    mounts = {m["name"]: (m["mountPath"], m["readOnly"]) for m in pod["containers"][0]["volumeMounts"]}

    given = {"name": "trust", "optional": True}
    assert maps == {"database-ca": given, "storage-ca": given}
    assert mounts["database-ca"] == (paths.DATABASE_CA, True)
    assert mounts["storage-ca"] == (paths.STORAGE_CA, True)


RECIPIENT = "age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek"
ENCRYPTED = {"storage": {"s3": {"bucket": "backups"}, "encryption": {"age": {"recipients": [RECIPIENT]}}}}


def test_a_backup_knows_public_keys_and_mounts_no_identity():
    pod = a_pod(**ENCRYPTED)
    work = task.parse(pod["containers"][0]["env"][0]["value"])

    assert work.encryption.age.recipients == [RECIPIENT]
    assert [v["name"] for v in pod["volumes"]] == ["run", "database", "spool"]


@pytest.mark.parametrize(
    ("variables", "secret"), [({}, "age-identity"), ({"IDENTITY_SECRET": "mine"}, "mine")], ids=["as it is", "another"]
)
def test_the_restore_of_an_encrypted_backup_mounts_the_identity_that_its_reader_names(tmp_path, variables, secret):
    job = pasted(tmp_path, restore_command(OWNER, as_begun(a_status(**ENCRYPTED)), RUNNER), variables)
    pod = job["spec"]["template"]["spec"]
    volume = next(v for v in pod["volumes"] if v["name"] == "age-identity")
    mount = next(m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "age-identity")

    assert volume["secret"] == {"secretName": secret, "optional": True}
    assert (mount["mountPath"], mount["readOnly"]) == (paths.AGE_IDENTITY, True)


def test_only_the_restore_of_an_encrypted_backup_speaks_of_an_identity():
    assert "identity" not in restore_command(OWNER, as_begun(a_status()), RUNNER)
    encrypted = restore_command(OWNER, as_begun(a_status(**ENCRYPTED)), RUNNER)
    assert "kubectl -n shop create secret generic age-identity" in encrypted


def test_only_a_directory_dump_has_a_scratch_volume_and_it_is_limited():
    assert "scratch" not in [v["name"] for v in a_pod()["volumes"]]
    pod = a_pod(dump={"format": "directory"}, job={"scratch": {"sizeLimit": "2Gi"}})
    scratch = next(v for v in pod["volumes"] if v["name"] == "scratch")

    assert scratch["emptyDir"] == {"sizeLimit": "2Gi"}
    assert json.loads(pod["containers"][0]["env"][0]["value"])["scratchBytes"] == 2 * 1024**3


@pytest.mark.parametrize(
    ("limits", "given"), [({}, 2560), ({"ephemeral-storage": "1Gi"}, 1024), ({"ephemeral-storage": "1Ti"}, 2560)],
    ids=["no limit", "a lower limit", "a higher limit"],
)  # fmt: skip
def test_a_backup_has_a_volume_for_big_parts_and_is_told_what_may_lie_there(limits, given):
    pod = a_pod(job={"resources": {"limits": limits}} if limits else {})
    spool = next(v for v in pod["volumes"] if v["name"] == "spool")

    assert spool["emptyDir"] == {"sizeLimit": "2560Mi"}
    assert json.loads(pod["containers"][0]["env"][0]["value"])["spoolBytes"] == given << 20


def test_documented_exit_codes_are_final_and_disruptions_are_not_counted():
    rules = a_job()["spec"]["podFailurePolicy"]["rules"]

    assert rules[0] == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert rules[1]["onExitCodes"]["values"] == [1, 2, 3, 4, 5, 6, 7, 8, 10]


def test_a_pod_that_is_told_to_end_has_the_time_that_kubernetes_gives_by_itself():
    assert a_pod()["terminationGracePeriodSeconds"] == 30  # whoever drains a node counts on that


def test_deadlines_come_in_order_the_runners_own_first():
    spec = a_job(job={"activeDeadlineSeconds": 100, "startTimeoutSeconds": 20})["spec"]
    pod = spec["template"]["spec"]

    assert 100 < pod["activeDeadlineSeconds"] < spec["activeDeadlineSeconds"]
    assert "ttlSecondsAfterFinished" not in spec, "not before the report is recorded"


@pytest.mark.parametrize(("limit", "given"), [("40Mi", "256Mi"), ("1Gi", "1Gi"), (None, None)])
def test_a_cleanup_never_dies_of_the_memory_limit_that_its_backup_died_of(limit, given):
    resources = {"limits": {"memory": limit}} if limit else {"requests": {"cpu": "1"}}
    template = resolve(a_policy(job={"resources": resources}), settings()).job

    job = jobs.cleanup_job("c", OWNER, methods.of(OWNER, as_begun(a_status())).cleanup(), template, RUNNER)

    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"].get("limits", {}).get("memory") == given


def test_children_carry_our_labels_whatever_the_policy_adds():
    job = a_job(job={"podLabels": {"team": "a", "app.kubernetes.io/managed-by": "stranger"}})
    labels = job["spec"]["template"]["metadata"]["labels"]

    assert labels["team"] == "a"
    assert labels["app.kubernetes.io/managed-by"] == "holdfast"
    assert job["metadata"]["labels"].items() <= labels.items()
    assert job["metadata"]["ownerReferences"][0]["uid"] == UID


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_task_survives_the_environment_whatever_the_database_is_called(name):
    value = a_pod(**with_database(name))["containers"][0]["env"][0]["value"]

    assert "$" not in value
    assert task.parse(value).database.name == name


@pytest.mark.parametrize("name", NAMES, ids=repr)
@pytest.mark.parametrize(
    ("target", "secret", "arguments"),
    [
        pytest.param({}, "orders-db", ["--target-host=", "--target-port=", "--target-database="], id="as it was"),
        pytest.param(
            {"TARGET_HOST": "empty-db", "TARGET_DATABASE": "copy", "TARGET_SECRET": "empty"},
            "empty",
            ["--target-host=empty-db", "--target-port=", "--target-database=copy"],
            id="another target",
        ),
    ],
)
def test_what_is_pasted_to_restore_makes_the_job_that_is_meant(tmp_path, name, target, secret, arguments):
    job = pasted(tmp_path, restore_command(OWNER, as_begun(a_status(**with_database(name))), RUNNER), target)
    pod = job["spec"]["template"]["spec"]
    work = task.parse(pod["containers"][0]["env"][0]["value"])
    assert work.kind == "restore"
    assert work.database.name == name
    assert pod["containers"][0]["args"] == arguments
    assert next(v for v in pod["volumes"] if v["name"] == "database")["secret"]["secretName"] == secret
    assert "ownerReferences" not in job["metadata"]


TO_SOMEBODY = {"age": {"recipients": ["age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek"]}}
TO_KEYS = {"storage": {"s3": {"bucket": "backups", "secretName": "s3"}, "encryption": TO_SOMEBODY}}


def a_verification(level, **policy):
    """Build the Job that verifies a backup of such a policy; return it with its task."""
    run = VerificationRun(request="1", number=3, state="Running", level=level, job_name="orders-1-verify-x",
                          started_at=NOW)  # fmt: skip
    status = a_status(**policy).model_copy(update={"verification_run": run, "sha256": "a" * 64})
    work = methods.of(OWNER, as_begun(status)).verification(status.verification_run.level)
    return jobs.verify_job("orders-1-verify-x", run.number, OWNER, work, status.resolved, RUNNER), work


def secrets_of(job):
    volumes = job["spec"]["template"]["spec"]["volumes"]
    return {volume["name"]: volume["secret"]["secretName"] for volume in volumes if "secret" in volume}


def test_a_verification_gets_the_stores_secret_and_nothing_of_the_database():
    job, work = a_verification("readback", storage={"s3": {"bucket": "backups", "secretName": "s3"}})

    assert secrets_of(job) == {"storage": "s3"}
    assert (work.level, work.pinned.sha256, work.identity_secret) == ("readback", "a" * 64, None)
    assert job["metadata"]["name"] == "orders-1-verify-x"
    assert job["metadata"]["labels"]["holdfast.dev/attempt"] == "3"
    assert "orders-db" not in json.dumps(job)


@pytest.mark.parametrize(
    ("level", "policy", "mounted"),
    [
        pytest.param("readback", TO_KEYS, "age-identity", id="by hand, as for a restore"),
        pytest.param("readback", TO_KEYS | {"verification": {"identitySecretName": "keys"}}, "keys", id="named"),
        pytest.param("checksum", TO_KEYS | {"verification": {"identitySecretName": "keys"}}, None, id="not read"),
        pytest.param("readback", {}, None, id="not encrypted"),
    ],
)
def test_only_the_readback_of_an_encrypted_backup_gets_an_identity(level, policy, mounted):
    job, _ = a_verification(level, **policy)
    assert secrets_of(job).get("age-identity") == mounted


@pytest.mark.parametrize(
    ("level", "form", "scratch"), [("readback", "directory", True), ("checksum", "directory", False),
                                   ("readback", "sql", False)],
)  # fmt: skip
def test_only_the_readback_of_what_is_staged_gets_a_scratch_volume(level, form, scratch):
    job, _ = a_verification(level, dump={"format": form})
    volumes = job["spec"]["template"]["spec"]["volumes"]
    assert ("scratch" in [volume["name"] for volume in volumes]) == scratch


@pytest.mark.parametrize(
    ("rules", "policy", "mounted"),
    [
        pytest.param({"level": "readback", "identitySecretName": "keys"}, TO_KEYS, "keys", id="named"),
        pytest.param({"level": "readback"}, TO_KEYS, None, id="not named"),
        pytest.param({"identitySecretName": "keys"}, TO_KEYS, None, id="not read back"),
        pytest.param({"level": "readback", "identitySecretName": "keys"}, {}, None, id="not encrypted"),
    ],
)
def test_a_backups_own_job_holds_an_identity_only_where_the_policy_names_one_to_read_back_with(rules, policy, mounted):
    job = a_job(verification=rules, **policy)
    told = task.parse(job["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"])
    assert (secrets_of(job).get("age-identity"), told.identity_secret) == (mounted, mounted)
    assert told.verification == rules.get("level", "checksum")


@pytest.mark.parametrize(
    ("of_the_backup", "of_the_policy", "days"),
    [
        pytest.param(7, {"retention": {"days": 200}}, 7, id="the backup's own"),
        pytest.param(None, {"retention": {"days": 200}}, 200, id="the policy's"),
        pytest.param(None, {}, 90, id="the environment's"),
    ],
)
def test_a_backup_is_kept_for_as_long_as_the_nearest_of_three_says(of_the_backup, of_the_policy, days):
    backup = a_begun_backup(retention_days=of_the_backup)
    work = methods.of(OWNER, as_begun(a_status(environment="production", **of_the_policy))).backup(backup.spec, [])
    assert work.backup.retention_days == days


def test_what_the_runner_writes_of_secrets_lies_in_memory_and_never_on_the_nodes_disk():
    volume = next(each for each in a_pod()["volumes"] if each["name"] == "run")
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Mi"}
    mount = next(each for each in a_pod()["containers"][0]["volumeMounts"] if each["name"] == "run")
    assert mount["mountPath"] == paths.RUN


@pytest.mark.parametrize(("policy", "encryption"), [({}, "none"), (TO_KEYS, "age")], ids=["not encrypted", "encrypted"])
def test_restore_and_verification_are_told_what_the_cluster_remembers(policy, encryption):
    run = VerificationRun(request="1", number=1, state="Running", level="readback", job_name="x", started_at=NOW)
    remembered = {"sha256": "a" * 64, "size_bytes": 7, "uncompressed_bytes": 70, "verification_run": run}
    status = a_status(**policy).model_copy(update=remembered)
    begun = as_begun(status)
    for work in (tasks.restore_task(OWNER, begun), methods.of(OWNER, begun).verification(run.level)):
        assert work.pinned == Pinned(
            sha256="a" * 64, size_bytes=7, uncompressed_bytes=70, engine="postgresql", format="sql", compression="gzip",
            encryption=encryption,
        )  # fmt: skip
