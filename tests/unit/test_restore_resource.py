"""What `status.restore` says of a snapshot: a DatabaseRestore, valid as written, whatever an endpoint has said."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.budget import examples
from tests.builders import as_begun
from tests.unit.test_rds import CLUSTER, COPIED, HOSTILE, LABELS, OWNER, SNAPSHOT, begun, hostile_snapshots

from holdfast import naming
from holdfast.api import aws
from holdfast.api.backup import Snapshot
from holdfast.api.rds_target import MAX_IDENTIFIER, RDSTarget
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.manifests import restore_resource, shell


def written(snapshot: Snapshot | None, backup_id: str = "backup-20261122-084500") -> str:
    status = begun(backup_id=backup_id, snapshot=snapshot).status
    return restore_resource.of_snapshot(OWNER, as_begun(status))


def spec(text: str) -> Any:
    body = yaml.safe_load(text)
    assert (body["kind"], body["metadata"]) == ("DatabaseRestore", {"name": "orders-1-restore", "namespace": "shop"})
    return body["spec"]


def test_it_is_valid_as_it_stands_and_makes_an_instance_of_a_name_that_says_of_when_it_is():
    asked = DatabaseRestoreSpec.model_validate(spec(written(SNAPSHOT)))
    assert asked.target is not None
    assert asked.target.rds == RDSTarget(identifier="orders-20261122-084500")
    assert asked.source.to_dict() == {"backupRef": {"name": "orders-1"}}
    assert set(asked.to_dict()) == {"source", "target"}


def test_its_comments_say_what_it_makes_and_what_it_leaves_alone():
    comments = [line for line in written(SNAPSHOT).splitlines() if line.startswith("#")]
    makes = "# Restores backup-20261122-084500 into a new RDS instance with the identifier below, in eu-central-1"
    assert comments == [
        f"{makes}; orders does not change.",
        "# It gets the class, subnet group and security groups of orders, unless you set them under rds.",
    ]


def test_the_class_that_an_aurora_snapshot_does_not_have_is_to_be_filled_in_and_refused_until_then():
    text = written(CLUSTER)
    assert "# Set instanceClass first, e.g. db.r6g.large" in text
    with pytest.raises(ValidationError, match="instanceClass"):
        DatabaseRestoreSpec.model_validate(spec(text))
    DatabaseRestoreSpec.model_validate(spec(text.replace("SET-ME", "db.r6g.large")))


def test_what_a_restore_of_the_copy_needs_is_said():
    said = "# For the copy in eu-west-1: add region: eu-west-1, and subnetGroup and securityGroups of that region"
    assert said in written(COPIED)
    assert "copy" not in written(SNAPSHOT)


@given(snapshot=hostile_snapshots(), backup_id=st.just("backup-20261122-084500") | HOSTILE)
@settings_of_hypothesis(max_examples=examples(60, times=5), deadline=None)
def test_no_word_that_an_endpoint_said_becomes_a_field_of_its_own_or_leaves_its_comment(snapshot, backup_id):
    text = written(snapshot, backup_id)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    document = yaml.safe_load(text)
    if aws.strange_field(snapshot) or not re.fullmatch(shell.IDENTIFIER, backup_id, re.ASCII):
        assert document is None
        assert "There is no resource that restores" in text
        return
    assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(document["spec"]["target"]["rds"]) <= {"identifier", "instanceClass"}


def test_without_a_record_of_the_snapshot_there_is_no_resource_and_it_is_said_why():
    text = written(None)
    assert "no resource that restores backup-20261122-084500: the record of its snapshot does not allow any" in text
    assert yaml.safe_load(text) is None


@given(source=st.from_regex(RDSTarget.model_json_schema()["properties"]["identifier"]["pattern"], fullmatch=True)
       .filter(lambda name: len(name) <= 63), label=st.none() | LABELS)  # fmt: skip
def test_the_new_name_is_one_that_rds_takes(source, label):
    backup_id = "-".join(filter(None, ["backup-20261122-084500", label]))
    for identifier in (backup_id, "a-backup-of-another-kind"):
        name = naming.restored_instance(source, identifier, MAX_IDENTIFIER)
        assert RDSTarget(identifier=name).identifier == name
        assert name.lower() != source.lower()
