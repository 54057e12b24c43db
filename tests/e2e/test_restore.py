"""A database comes back by a DatabaseRestore, as a pipeline would ask for it; what is compared is the content."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests import yaml_text
from tests.e2e.world import BACKUPS, POLICIES, RESTORES, Manifest, World, backup

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(240, func_only=True)


def restore(world: World, name: str, source: Manifest, **spec: Any) -> Manifest:
    meta = {"name": name, "namespace": world.backups}
    spec = {"source": source, **spec}
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": meta, "spec": spec}


def finished(world: World, name: str) -> Manifest:
    """The status once the restore has ended, either way."""
    return world.restored(world.backups, name)


@pytest.fixture(scope="module")
def taken(world: World) -> Manifest:
    """A good backup of a database of its own, with its policy; a clerk may read in it."""
    database = world.a_database("brought")
    world.psql("drop role if exists clerk; create role clerk; grant select on customers to clerk", database)
    world.apply(world.policy(world.backups, "brought", {"database": {"name": database}}))
    world.apply(backup(world.backups, "brought"))
    status = world.finished(world.backups, "brought")
    assert status["phase"] == "Succeeded", status
    return status


def empty(world: World, name: str) -> str:
    world.psql(f"drop database if exists {name} with (force)")
    world.psql(f"create database {name}")
    return name


def test_the_last_good_backup_of_a_policy_comes_back_under_another_name_with_its_grants(world: World, taken: Manifest):
    # Given an empty database on the same server
    target = empty(world, "brought_copy")

    # When the last good backup is restored into it, with all that roles own and may do
    source, options = {"policyRef": {"name": "brought"}}, {"globals": "Require"}
    world.apply(restore(world, "copy", source, target={"databaseName": target}, options=options))
    status = finished(world, "copy")

    # Then each row is there, was counted, and the status says which backup it was, and why
    assert status["phase"] == "Succeeded", status
    assert world.fingerprint(target) == world.fingerprint("brought")
    assert (status["tables"], status["rows"]) == (taken["tables"], taken["rows"]) == (1, 500)
    assert status["compared"][0] == "rows"
    assert status["compared"][-2:] == ["owners", "grants"]
    assert world.psql("select has_table_privilege('clerk', 'customers', 'SELECT')", target).strip() == "t"
    assert status["source"]["backupID"] == taken["backupID"]
    assert "last backup of BackupPolicy brought" in status["source"]["because"]
    [line] = world.kubectl("get", RESTORES, "copy", "-n", world.backups, "--no-headers").splitlines()
    assert line.split()[:2] == ["copy", taken["backupID"]]
    assert f"{target} on {world.host}:5432" in line


def test_a_target_that_is_not_empty_is_refused_and_stays_as_it_was(world: World, taken: Manifest):
    before = world.fingerprint("brought")
    world.apply(restore(world, "refused", {"backupRef": {"name": "brought"}}))
    status = finished(world, "refused")
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "TargetNotEmpty"), taken
    assert world.fingerprint("brought") == before
    world.kubectl("wait", "-n", world.backups, f"{RESTORES}/refused", "--for=condition=Stalled", "--timeout=5s")


def test_disaster_day_leads_from_a_bucket_alone_to_the_database_as_its_page_is_written(world: World):
    # Given a backup of which nothing is left in the cluster: no resource of it, no policy, no database
    database = world.a_database("disaster")
    policy = world.policy(world.backups, "disaster", {"database": {"name": database}})
    world.apply(policy, backup(world.backups, "disaster"))
    location = world.finished(world.backups, "disaster")["location"]
    world.kubectl("delete", "-n", world.backups, BACKUPS, "disaster")
    world.kubectl("delete", "-n", world.backups, POLICIES, "disaster")
    before = world.fingerprint(database)
    world.psql(f"drop database {database} with (force)")

    # When the page's own resource is applied, with this bucket, this server and this name
    page = (ROOT / "docs/how-to/disaster-day.md").read_text()
    body = yaml_text.load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    source, target = body["spec"]["source"]["bucket"], body["spec"]["target"]
    source["s3"] |= policy["spec"]["storage"]["s3"]
    source["folder"] = location.removeprefix("s3://").partition("/")[2]
    target["database"]["name"] = database
    target["database"]["connection"]["host"] = world.host
    body["metadata"]["namespace"] = world.backups
    world.apply(body)

    # Then the database is made, and each row is back
    status = finished(world, body["metadata"]["name"])
    assert status["phase"] == "Succeeded", status
    assert world.fingerprint(database) == before


def confirmed(world: World, name: str, database: str) -> Manifest:
    """The status in which the restore waits, before its database's name is repeated."""
    path = "--for=jsonpath={.status.phase}=AwaitingConfirmation"
    world.kubectl("wait", "-n", world.backups, f"{RESTORES}/{name}", path, "--timeout=60s")
    waits = dict(world.get(RESTORES, world.backups, name)["status"])
    patch = json.dumps({"spec": {"confirm": database}})
    world.kubectl("patch", "-n", world.backups, RESTORES, name, "--type=merge", "-p", patch)
    return waits


def test_a_dropped_table_comes_back_in_production_when_that_is_confirmed_and_the_way_back_is_a_resource(world: World):
    # Given a good backup, and a database of production that lost a table and got another one since
    database = world.a_database("swapped")
    world.apply(world.policy(world.backups, "swapped", {"environment": "production", "database": {"name": database}}))
    world.apply(backup(world.backups, "swapped"))
    assert world.finished(world.backups, "swapped")["phase"] == "Succeeded"
    good = world.fingerprint(database)
    world.psql("drop table customers; create table later (id int)", database)
    broken = world.fingerprint(database)

    # When it is restored in its place, and somebody confirms that
    world.apply(restore(world, "swap", {"backupRef": {"name": "swapped"}}, mode="Replace"))
    waits = confirmed(world, "swap", database)
    status = finished(world, "swap")

    # Then what it would change was said before
    impact = waits["impact"]
    assert (impact["state"], impact["present"], impact["tables"], impact["backupTables"]) == ("Done", True, 1, 1), (
        impact
    )
    assert impact["message"] in waits["message"]

    # And it is as it was, and what was there is kept under the name that the status says
    assert status["phase"] == "Succeeded", status
    assert world.fingerprint(database) == good
    assert world.fingerprint(status["replaced"]["name"]) == broken
    assert status["switchSeconds"] < 10

    # And before that the broken one was backed up: one table more than it has now, in a backup that stays
    safety = world.get(BACKUPS, world.backups, status["safetyBackup"]["name"])
    assert (safety["status"]["phase"], safety["spec"]["purpose"]) == ("Succeeded", "safety"), safety
    assert safety["status"]["completedAt"] <= status["startedAt"]
    tables = world.manifest(safety["status"]["location"])["tables"]
    assert tables == [{"name": "public.later", "rows": 0}]

    # And when what the status says is applied, that one is back
    undo = yaml_text.load(status["undo"])
    world.apply(undo)
    confirmed(world, undo["metadata"]["name"], database)
    back = finished(world, undo["metadata"]["name"])
    assert back["phase"] == "Succeeded", back
    assert world.fingerprint(database) == broken
    assert world.fingerprint(back["replaced"]["name"]) == good


def test_a_lower_environment_is_refreshed_masked_as_the_docs_show_and_not_at_all_unmasked(world: World):
    # Given a database of staging with a good backup, and one of dev in its own state
    above, below = world.a_database("above"), world.a_database("below")
    world.psql(f"drop table if exists customers cascade; {CUSTOMERS}", above)
    world.apply(
        world.policy(world.backups, "above", {"environment": "staging", "database": {"name": above}}),
        world.policy(world.backups, "below", {"environment": "dev", "database": {"name": below}}),
        backup(world.backups, "above"),
    )
    assert world.finished(world.backups, "above")["phase"] == "Succeeded"
    before = world.fingerprint(below)

    # When it is restored without a word about masking
    into = {"target": {"policyRef": {"name": "below"}}, "mode": "Replace"}
    world.apply(restore(world, "unmasked", {"policyRef": {"name": "above"}}, **into))

    # Then it is refused by name
    refused = finished(world, "unmasked")
    assert (refused["phase"], refused["failure"]["reason"]) == ("Failed", "MaskingMissing")
    assert world.fingerprint(below) == before

    # And when the page's own resources are applied, with these policies, each row is masked before anybody sees it
    page = (ROOT / "docs/how-to/refresh-masked.md").read_text()
    script, body = yaml_text.load_all(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    body["spec"]["source"]["policyRef"]["name"], body["spec"]["target"]["policyRef"]["name"] = "above", "below"
    for each in (script, body):
        each["metadata"]["namespace"] = world.backups
    world.apply(script, body)
    status = finished(world, body["metadata"]["name"])
    assert status["phase"] == "Succeeded", status
    assert status["afterRestore"]["statements"] == 2
    seen = world.psql("select string_agg(name || ' ' || email, ', ' order by id) from customers", below)
    assert "Customer 1 customer-1@example.invalid, Customer 2 customer-2@example.invalid" in seen


CUSTOMERS = (
    "create table customers (id int, name text, email text); create table sessions (id int); "
    "insert into customers values (1, 'Ada', 'ada@shop.example'), (2, 'Bob', 'bob@shop.example')"
)
