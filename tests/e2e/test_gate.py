"""Migrations behind the gate, on a real cluster: held until there is a backup, released once, rolled back once."""

import json

import pytest
from tests.e2e.migrating import BAD, GOOD, Shop, a_shop
from tests.e2e.world import BACKUPS, RESTORES, Manifest, World, gone, until

pytestmark = pytest.mark.timeout(360, func_only=True)


def ended(shop: Shop, name: str) -> Manifest:
    """The rollback's status once it has ended."""
    return shop.world.restored(shop.namespace, shop.rollback(name)["metadata"]["name"])


def test_a_migration_runs_once_its_backup_has_succeeded_and_that_says_what_it_was_for(world: World):
    # Given a database, and a Job that migrates it, created suspended
    shop = a_shop(world, "gated")
    before = world.fingerprint("gated")
    world.apply(shop.job("gated-v2", GOOD, revision="v2.0", on_failure="rollback"))

    # When it is released, and has run
    job = shop.ends("gated-v2", "Complete")

    # Then its backup was complete before it began, and is of the database as it was before
    made = shop.before("gated-v2")
    status = world.finished(shop.namespace, made["metadata"]["name"])
    assert status["phase"] == "Succeeded", status
    assert status["completedAt"] <= job["status"]["startTime"]
    release = {
        "jobName": "gated-v2", "jobUID": job["metadata"]["uid"], "revision": "v2.0",
        "images": [job["spec"]["template"]["spec"]["containers"][0]["image"]],
    }  # fmt: skip
    assert made["spec"]["purpose"] == "pre-migration"
    assert made["spec"]["release"] == release
    assert world.manifest(status["location"])["backup"]["release"] == release
    assert "Holdfast releases the Job" in shop.told("gated-v2", "MigrationReleased")
    assert "email" in world.psql("select string_agg(column_name, ',') from information_schema.columns "
                                 "where table_name = 'customers'", "gated")  # fmt: skip

    # And it is kept for a while, found by its purpose, and nothing was rolled back
    kept = until(
        lambda: world.status(shop.namespace, made["metadata"]["name"])["release"],
        lambda it: "keptUntil" in it and "releasedAt" in it, 20,
    )  # fmt: skip
    assert kept["keptUntil"] > kept["releasedAt"]
    found = world.kubectl(
        "get", BACKUPS, "-n", shop.namespace, "--field-selector=spec.purpose=pre-migration", "-o", "name"
    )
    assert made["metadata"]["name"] in {line.partition("/")[2] for line in found.splitlines()}
    assert world.kubectl("get", RESTORES, "-n", shop.namespace, "-l", "holdfast.dev/migration=gated-v2").strip() == ""

    # And by hand, what was before the migration comes back
    by_hand = {"source": {"policyRef": {"name": "gated"}, "purpose": "pre-migration"}, "mode": "Replace"}
    meta = {"name": "gated-back", "namespace": shop.namespace}
    world.apply({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": meta, "spec": by_hand})
    status = world.restored(shop.namespace, "gated-back")
    assert (status["phase"], status["source"]["release"]) == ("Succeeded", release), status
    assert "as it was before release v2.0" in status["message"]
    assert world.fingerprint("gated") == before


def test_a_migration_that_fails_half_way_is_rolled_back_to_what_was_there_before_it(world: World):
    # Given a database, and a migration that drops a column and rows, and then fails
    shop = a_shop(world, "failing")
    before = world.fingerprint("failing")
    world.apply(shop.job("failing-v2", BAD, revision="v2.0", on_failure="rollback"))
    shop.ends("failing-v2", "Failed")

    # When the restore that was made for it has ended
    status = ended(shop, "failing-v2")

    # Then each row is back, what the migration left is kept, and both sides say what has happened
    assert status["phase"] == "Succeeded", status
    assert world.fingerprint("failing") == before
    assert world.psql("select count(*) from customers", status["replaced"]["name"]).strip() == "100"
    assert status["source"]["release"]["revision"] == "v2.0"
    assert "as it was before release v2.0 (Job failing-v2)" in status["message"]
    restore = shop.rollback("failing-v2")["metadata"]["name"]
    assert restore in shop.told("failing-v2", "MigrationRolledBack")
    assert world.status(shop.namespace, shop.before("failing-v2")["metadata"]["name"])["release"]["rollback"] == restore

    # And deleted, it is not made again; the next migration has a backup of its own
    world.kubectl("delete", RESTORES, "-n", shop.namespace, restore)
    world.apply(shop.job("failing-v3", GOOD, on_failure="rollback"))
    shop.ends("failing-v3", "Complete")
    assert gone(world, RESTORES, shop.namespace, restore)


@pytest.mark.matrix
def test_without_a_good_backup_the_job_stays_suspended_and_says_why_until_another_one_is_asked_for(world: World):
    # Given a policy whose bucket does not exist
    shop = a_shop(world, "unbacked", {"storage": {"s3": {"bucket": "no-such-bucket"}}})
    world.apply(shop.job("unbacked-v2", GOOD))

    # When its backup has failed, the Job is still held
    said = shop.told("unbacked-v2", "BackupBeforeFailed")
    assert "BucketNotFound" in said
    assert 'holdfast.dev/backup-now="$(date +%s)"' in said
    assert shop.suspended("unbacked-v2")

    # Then with the cause mended and another backup asked for, it goes on
    world.apply(world.policy(shop.namespace, "unbacked", {"database": {"name": "unbacked"}}))
    world.kubectl("annotate", "job", "-n", shop.namespace, "unbacked-v2", "holdfast.dev/backup-now=2")
    shop.ends("unbacked-v2", "Complete")


@pytest.mark.matrix
def test_a_job_stays_held_while_no_operator_runs_and_is_released_by_the_next_one(world: World):
    # Given no operator
    shop = a_shop(world, "unattended")
    deployment = ("deployment", "-n", world.operator, "-l", "app.kubernetes.io/component=operator")
    world.kubectl("scale", *deployment, "--replicas=0")
    try:
        pods = ("pods", "-n", world.operator, "-l", "app.kubernetes.io/component=operator")
        world.kubectl("wait", *pods, "--for=delete", "--timeout=60s", timeout=70)

        # When a Job is created, and runs to its end while nobody looks at another one
        world.apply(shop.job("unattended-v2", BAD, on_failure="rollback"))
        assert shop.suspended("unattended-v2")
        assert "startTime" not in shop.seen("unattended-v2")["status"]
    finally:
        world.kubectl("scale", *deployment, "--replicas=2")

    # Then it is released when one is there again, and rolled back
    shop.ends("unattended-v2", "Failed", 150)
    assert ended(shop, "unattended-v2")["phase"] == "Succeeded"


@pytest.mark.matrix
def test_a_job_that_fails_while_no_operator_runs_is_rolled_back_by_the_next_one(world: World):
    # Given a migration that has begun, and waits for a lock
    shop = a_shop(world, "left-alone")
    before = world.fingerprint("left-alone")
    deployment = ("deployment", "-n", world.operator, "-l", "app.kubernetes.io/component=operator")
    world.apply(shop.job("left-alone-v2", f"select pg_sleep(20); {BAD}", on_failure="rollback"))
    until(lambda: shop.seen("left-alone-v2")["status"].get("active"), bool, 60)

    # When it fails while no operator is there
    world.kubectl("scale", *deployment, "--replicas=0")
    try:
        shop.ends("left-alone-v2", "Failed")
        assert world.kubectl("get", RESTORES, "-n", shop.namespace, "-l", "holdfast.dev/migration=left-alone-v2") == ""
    finally:
        world.kubectl("scale", *deployment, "--replicas=2")

    # Then the next one rolls it back, once
    assert ended(shop, "left-alone-v2")["phase"] == "Succeeded"
    assert world.fingerprint("left-alone") == before


@pytest.mark.matrix
def test_a_job_that_is_deleted_while_held_leaves_its_backup_to_end_and_to_be_kept(world: World):
    shop = a_shop(world, "withdrawn")
    with world.locked("withdrawn"):
        world.apply(shop.job("withdrawn-v2", GOOD))
        name = shop.before("withdrawn-v2")["metadata"]["name"]
        world.reaches(shop.namespace, name, lambda status: status.get("phase") == "Running")
        world.kubectl("delete", "job", "-n", shop.namespace, "withdrawn-v2")
    assert world.finished(shop.namespace, name)["phase"] == "Succeeded"
    release = world.reaches(shop.namespace, name, lambda status: "keptUntil" in status["release"], 20)["release"]
    assert "releasedAt" not in release


@pytest.mark.matrix
def test_of_two_jobs_at_once_the_second_waits_for_the_end_of_the_first(world: World):
    shop = a_shop(world, "twofold")
    first, second = shop.job("twofold-v2", f"{GOOD}; select pg_sleep(5)"), shop.job("twofold-v3", "analyze")
    world.apply(first)
    shop.before("twofold-v2")
    world.apply(second)
    assert "until Job twofold-v2" in shop.told("twofold-v3", "MigrationWaits")
    ended_first = shop.ends("twofold-v2", "Complete")
    shop.ends("twofold-v3", "Complete")
    made = shop.before("twofold-v3")
    assert made["metadata"]["creationTimestamp"] >= ended_first["status"]["completionTime"]


@pytest.mark.matrix
@pytest.mark.parametrize("confirmed", [True, False], ids=["named by the Job", "asked about"])
def test_a_rollback_of_production_waits_for_a_person_unless_the_job_has_named_the_database(
    world: World, confirmed: bool
):
    # Given a database of production, and a migration of it that fails
    name = f"serious-{int(confirmed)}"
    shop = a_shop(world, name, {"environment": "production"})
    before = world.fingerprint(name)
    job = shop.job(f"{name}-v2", BAD, on_failure="rollback", **({"confirm": name} if confirmed else {}))
    world.apply(job)
    shop.ends(f"{name}-v2", "Failed")

    # When nobody has named it, it waits, and nothing is changed, until somebody does
    restore = shop.rollback(f"{name}-v2")["metadata"]["name"]
    if not confirmed:
        assert restore in shop.told(f"{name}-v2", "RollbackAwaitsConfirmation")
        assert world.fingerprint(name) != before
        patch = json.dumps({"spec": {"confirm": name}})
        world.kubectl("patch", RESTORES, "-n", shop.namespace, restore, "--type=merge", "-p", patch)

    # Then it comes back, and the status says who has confirmed it
    status = ended(shop, f"{name}-v2")
    assert status["phase"] == "Succeeded", status
    assert world.fingerprint(name) == before
    assert ("unattended" in status["confirmation"]) is confirmed
