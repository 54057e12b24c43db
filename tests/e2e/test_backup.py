"""Backups as people make them: they restore to equal content, and what kubectl shows is all that one needs."""

import base64
import json
from datetime import datetime, timedelta

import pyrage
import pytest
from tests import stack, yaml_text
from tests.e2e.world import BACKUPS, PASSWORD, World, backup, until
from tests.stack.postgres import secret

from holdfast.naming import IDENTITY_SECRET

IDENTITY = pyrage.x25519.Identity.generate()
AWKWARD = "or\"d'ers $$ $(HOME) & 100% \\x größe"


def restore(world: World, status: dict, into: str) -> None:
    """Apply what the status says, with another database as the target, and wait for it as a pipeline would."""
    body = yaml_text.load(status["restore"])
    body["spec"]["target"] = {"databaseName": into}
    world.apply(body)
    done = world.restored(body["metadata"]["namespace"], body["metadata"]["name"])
    assert done["phase"] == "Succeeded", done


@pytest.mark.parametrize("changes", [
    pytest.param({"dump": {"format": "sql"}}, id="sql"),
    pytest.param({"dump": {"format": "custom"}}, id="custom"),
    pytest.param({"dump": {"format": "directory", "jobs": 4}}, id="directory"),
    pytest.param({"dump": {"format": "sql", "compression": {"algorithm": "none"}}}, id="uncompressed"),
    pytest.param({
        "dump": {"format": "sql", "compression": {"algorithm": "zstd"}},
        "storage": {"encryption": {"age": {"recipients": [str(IDENTITY.to_public())]}}},
    }, id="encrypted"),
])  # fmt: skip
@pytest.mark.timeout(240)
def test_what_is_backed_up_restores_to_equal_content(world: World, changes, request):
    # Given a policy for this format, an empty database elsewhere, and an identity for whoever restores
    name = request.node.callspec.id
    world.apply(world.policy(world.backups, name, changes))
    world.apply(secret(world.backups, IDENTITY_SECRET, {"identity": str(IDENTITY)}))
    world.psql(f"drop database if exists copy_{name} with (force)")
    world.psql(f"create database copy_{name}")

    # When a backup is asked for, and what its status says is applied
    world.apply(backup(world.backups, name, label="e2e"))
    status = world.finished(world.backups, name)
    assert status["phase"] == "Succeeded", status
    restore(world, status, f"copy_{name}")

    # Then the copy equals the original in every table, sequence, view, index and large object
    original, copy = world.fingerprint("orders"), world.fingerprint(f"copy_{name}")
    assert len(original) > 10
    assert stack.differences(original, copy) == []


def test_the_bucket_holds_one_artifact_and_a_manifest_that_tells_the_truth(world: World):
    world.apply(
        world.policy(world.backups, "truth"), backup(world.backups, "truth", label="before-v2", reason="release 2.0")
    )
    status = world.finished(world.backups, "truth")

    keys, manifest = world.keys(status["location"]), world.manifest(status["location"])
    artifact = manifest["artifact"]["key"]
    body = world.s3.get_object(Bucket="backups", Key=artifact)["Body"].read()

    beside = manifest["globals"]["key"]
    assert sorted(keys) == sorted([artifact, beside, artifact.rpartition("/")[0] + "/manifest.json"])
    assert keys[beside] == status["globals"]["sizeBytes"] == manifest["globals"]["sizeBytes"]
    assert keys[artifact] == status["sizeBytes"] == manifest["artifact"]["sizeBytes"] == len(body)
    assert __import__("hashlib").sha256(body).hexdigest() == status["sha256"] == manifest["artifact"]["sha256"]
    assert manifest["backup"]["uid"] == world.get(BACKUPS, world.backups, "truth")["metadata"]["uid"]
    assert (manifest["backup"]["reason"], manifest["backup"]["label"]) == ("release 2.0", "before-v2")
    assert status["backupID"].endswith("-before-v2")
    assert world.uploads(status["location"]) == []


def test_kubectl_get_shows_what_one_wants_to_know(world: World):
    world.apply(world.policy(world.backups, "shown"), backup(world.backups, "shown"))
    world.finished(world.backups, "shown")

    header, row = world.kubectl("get", BACKUPS, "-n", world.backups, "shown").splitlines()

    columns = "NAME POLICY ENVIRONMENT ENGINE PHASE SIZE DURATION WARNINGS EXPIRES AGE"
    assert header.split() == columns.split()
    assert row.split()[:5] == ["shown", "shown", "dev", "postgresql", "Succeeded"]
    assert "<" not in row
    described = world.kubectl("describe", BACKUPS, "-n", world.backups, "shown")
    assert "BackupSucceeded" in described
    assert "DatabaseRestore" in described, "the way back is shown"


def test_a_backup_waits_for_its_policy_says_so_and_goes_on(world: World):
    # Given a backup whose policy is not there
    world.apply(backup(world.backups, "early"))
    status = world.reaches(world.backups, "early", lambda status: status.get("phase") == "Pending")
    assert "BackupPolicy early does not exist" in status["message"]

    # When the policy appears
    world.apply(world.policy(world.backups, "early"))

    # Then the backup is taken
    assert world.finished(world.backups, "early")["phase"] == "Succeeded"


def test_a_backup_can_be_complete_in_itself_and_name_a_store_of_the_charts_by_its_key(world: World):
    policy = world.policy(world.backups, "x")["spec"] | {"storage": {"store": "shared"}}
    inline = backup(world.backups, "inline") | {"spec": {"policy": policy, "retentionDays": 7}}
    world.apply(inline)

    status = world.finished(world.backups, "inline")

    assert status["phase"] == "Succeeded", status
    life = datetime.fromisoformat(status["expiresAt"]) - datetime.fromisoformat(status["completedAt"])
    assert life == timedelta(days=7)
    assert status["location"].startswith("s3://backups/")
    resolved = status["resolved"]["storage"]
    assert (resolved["store"], resolved["s3"]["endpoint"]) == ("shared", world.endpoint)


def test_a_longer_retention_moves_the_expiry_of_a_finished_backup(world: World):
    world.apply(world.policy(world.backups, "longer"), backup(world.backups, "longer"))
    before = world.finished(world.backups, "longer")

    world.kubectl(
        "patch", BACKUPS, "-n", world.backups, "longer", "--type=merge", "-p", '{"spec":{"retentionDays":365}}'
    )
    after = world.reaches(world.backups, "longer", lambda it: it["expiresAt"] != before["expiresAt"])

    assert datetime.fromisoformat(after["expiresAt"]) - datetime.fromisoformat(after["completedAt"]) == timedelta(
        days=365
    )
    assert after["observedGeneration"] == 2


@pytest.mark.timeout(240)
def test_awkward_names_and_passwords_go_through(world: World):
    # Given a database and a role whose name and password hold every character that shells and libpq care for
    name = AWKWARD.replace('"', '""')
    role, password = "us'er $(HOME) %s", "p'w\"$$ $(HOME)&%\\:ö "
    quoted = password.replace("'", "''")
    world.psql(f'drop database if exists "{name}" with (force)')
    world.psql(f'drop role if exists "{role}"')
    world.psql(f"create role \"{role}\" superuser login password '{quoted}'")
    world.psql(f'create database "{name}"')
    world.psql("create table t (x text); insert into t values ('größe $(HOME)')", AWKWARD)
    world.psql("drop database if exists awkward_copy with (force)")
    world.psql("create database awkward_copy")
    changes = {"database": {"name": AWKWARD, "connection": {"secretName": "awkward"}}}
    world.apply(*world.credentials(world.backups, "awkward", username=role, password=password + "\n"))

    # When it is backed up, by host and keys
    world.apply(world.policy(world.backups, "awkward", changes), backup(world.backups, "awkward"))
    status = world.finished(world.backups, "awkward")

    # Then it is, and restores
    assert status["phase"] == "Succeeded", status
    assert world.manifest(status["location"])["database"]["name"] == AWKWARD
    restore(world, status, "awkward_copy")
    assert stack.differences(world.fingerprint(AWKWARD), world.fingerprint("awkward_copy")) == []


def test_a_connection_url_is_enough(world: World):
    from urllib.parse import quote

    url = f"postgresql://orders:{quote(PASSWORD, safe='')}@{world.host}:5432/other?application_name=x"
    world.apply({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "by-url", "namespace": world.backups},
        "data": {"uri": base64.b64encode(url.encode()).decode()},
    })  # fmt: skip
    changes = {"database": {"connection": {"host": None, "secretName": "by-url"}}}
    world.apply(world.policy(world.backups, "by-url", changes), backup(world.backups, "by-url"))

    assert world.finished(world.backups, "by-url")["phase"] == "Succeeded"


def test_settled_backups_cost_no_write_even_when_the_operator_starts_anew(world: World):
    # Given a finished backup, which has said why it is kept
    world.apply(world.policy(world.backups, "settled"), backup(world.backups, "settled"))
    world.finished(world.backups, "settled")
    world.reaches(world.backups, "settled", lambda status: "keptBecause" in status)
    jobs = until(lambda: world.jobs(world.backups, "settled"),
                 lambda jobs: jobs and "ttlSecondsAfterFinished" in jobs[0]["spec"], 30)  # fmt: skip
    before = world.get(BACKUPS, world.backups, "settled")["metadata"]["resourceVersion"]

    # When every replica of the operator is replaced and has looked at everything
    world.kubectl("rollout", "restart", "deployment", "-n", world.operator)
    world.kubectl("rollout", "status", "deployment", "-n", world.operator, "--timeout=90s", timeout=100)
    # of another policy: of its own, it would take the place of the newest good one, which that says in its status
    world.apply(world.policy(world.backups, "after-restart"), backup(world.backups, "after-restart"))
    world.finished(world.backups, "after-restart")

    # Then nothing was written
    assert world.get(BACKUPS, world.backups, "settled")["metadata"]["resourceVersion"] == before
    assert len(jobs) == 1


def test_metrics_tell_the_last_success_and_who_leads(world: World):
    world.apply(world.policy(world.backups, "measured"), backup(world.backups, "measured"))
    status = world.finished(world.backups, "measured")
    pods = world.kubectl("get", "pods", "-n", world.operator, "-o", "name").split()

    def texts() -> list[str]:
        return [
            world.kubectl(
                "get", "--raw", f"/api/v1/namespaces/{world.operator}/{pod}:8080/proxy/metrics".replace("pod/", "pods/")
            )
            for pod in pods
        ]

    both = until(texts, lambda found: sorted("holdfast_leader 1.0" in text for text in found) == [False, True], 30)
    leader = next(text for text in both if "holdfast_leader 1.0" in text)
    standby = next(text for text in both if "holdfast_leader 0.0" in text)
    line = next(
        line for line in leader.splitlines()
        if line.startswith("holdfast_backup_last_success_timestamp_seconds{") and 'policy="measured"' in line
    )  # fmt: skip
    assert float(line.split()[-1]) == datetime.fromisoformat(status["completedAt"]).timestamp()
    assert "holdfast_backups{" not in standby


def test_each_log_line_of_a_reconcile_names_its_object(world: World):
    world.apply(world.policy(world.backups, "logged"), backup(world.backups, "logged"))
    world.finished(world.backups, "logged")

    lines = world.kubectl(
        "logs", "-n", world.operator, "-l", "app.kubernetes.io/name=holdfast", "--tail=-1"
    ).splitlines()
    entries = [json.loads(line) for line in lines]

    about = [entry for entry in entries if entry.get("name") == "logged" and entry.get("kind") == "DatabaseBackup"]
    assert about
    assert {entry["namespace"] for entry in about} == {world.backups}


@pytest.mark.timeout(180)
def test_a_resource_made_again_without_its_status_takes_another_backup_and_says_what_is_gone(world: World):
    # Given the one backup of a policy's database, exported as people export it, and deleted; its table is emptied
    # meanwhile. The policy has had another database before, of which there is a backup still
    world.apply(world.policy(world.backups, "again"), backup(world.backups, "again-0", "again"))
    world.finished(world.backups, "again-0")
    database = world.a_database("made_again")
    world.apply(world.policy(world.backups, "again", {"database": {"name": database}}))
    world.apply(backup(world.backups, "again-1", "again"))
    first = world.finished(world.backups, "again-1")
    export = world.get(BACKUPS, world.backups, "again-1")
    world.kubectl("delete", BACKUPS, "-n", world.backups, "again-1", "--wait=true")
    world.psql("truncate customers", database)

    # When it is created again, as it was
    kept = {key: export["metadata"][key] for key in ("name", "namespace")}
    world.apply({**{key: export[key] for key in ("apiVersion", "kind", "spec")}, "metadata": kept})
    second = world.finished(world.backups, "again-1")

    # Then there is another backup, which is loudly a suspicious one, and the old one is as it was
    assert (first["phase"], first["rows"], second["phase"], second["rows"]) == ("Succeeded", 500, "Succeeded", 0)
    assert first["backupID"] != second["backupID"]
    (suspicious,) = [each for each in second["conditions"] if each["type"] == "Suspicious"]
    assert (suspicious["status"], suspicious["reason"]) == ("True", "RowsVanished")
    assert "0 rows, 100 % less than usual" in suspicious["message"]
    assert f"an earlier resource with this name took {first['backupID']}" in suspicious["message"]
    assert first["backupID"] in second["warnings"][0]
    assert "BackupSuspicious" in [event["reason"] for event in world.events(world.backups, "again-1")]
    assert world.manifest(first["location"])["rows"] == 500
