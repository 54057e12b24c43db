"""What is taken over of a resource of ours: bounded, whoever wrote it, and what makes no sense is absent."""

from typing import Any

import pytest

from holdfast import clock, naming
from holdfast.reconcile.resource import Resource
from holdfast.untrusted import Unreadable

WHEN, LATER = "2026-11-22T08:45:00Z", "2026-11-22T09:00:00Z"
META = {"namespace": "shop", "name": "orders", "uid": "u"}


def a_resource(**meta: Any) -> Resource:
    return Resource.of({"metadata": META | meta, "spec": {"a": 1}, "status": {"b": 2}})


def test_all_that_is_decided_by_is_taken_over() -> None:
    annotations = {
        naming.ANNOTATION_VERIFY: "v", naming.ANNOTATION_BACKUP_NOW: "b", naming.ANNOTATION_APPROVE: "a", "x": "y",
    }  # fmt: skip
    found = a_resource(
        resourceVersion="7", generation=3, creationTimestamp=WHEN, deletionTimestamp=LATER, annotations=annotations,
        finalizers=["theirs", naming.FINALIZER],
    )  # fmt: skip
    assert found == Resource(
        namespace="shop", name="orders", uid="u", resource_version="7", generation=3, created=clock.from_text(WHEN),
        deleted=clock.from_text(LATER), spec={"a": 1}, status={"b": 2}, verify_request="v", backup_request="b",
        approved="a", held=True,
    )  # fmt: skip


def test_what_is_not_there_is_absent() -> None:
    assert a_resource() == Resource(
        namespace="shop", name="orders", uid="u", resource_version="0", generation=0, created=clock.EPOCH,
        deleted=None, spec={"a": 1}, status={"b": 2}, verify_request=None, backup_request=None, approved=None,
        held=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", META)
def test_one_without_a_name_cannot_be_read(name: str) -> None:
    with pytest.raises(Unreadable):
        a_resource(**{name: None})


def test_one_whose_deletion_has_no_time_is_being_deleted_all_the_same() -> None:
    assert a_resource(creationTimestamp=WHEN, deletionTimestamp="soon").deleted == clock.from_text(WHEN)


def test_a_request_and_an_approval_are_no_longer_than_one_may_be() -> None:
    long = dict.fromkeys((naming.ANNOTATION_VERIFY, naming.ANNOTATION_APPROVE), "x" * 70)
    longer = {naming.ANNOTATION_VERIFY: "x" * 300, naming.ANNOTATION_BACKUP_NOW: "y" * 300}
    assert (a_resource(annotations=long).verify_request, a_resource(annotations=long).approved) == ("x" * 70, None)
    found = a_resource(annotations=longer | {naming.ANNOTATION_APPROVE: "z" * 64})
    assert (found.verify_request, found.backup_request) == ("x" * 255 + "…", "y" * 255 + "…")
    assert found.approved == "z" * 64


@pytest.mark.parametrize(("before", "held"), [(1023, True), (1024, False)])
def test_of_a_flood_of_finalizers_the_first_are_looked_at(before: int, held: bool) -> None:
    assert a_resource(finalizers=[*(f"f{n}" for n in range(before)), naming.FINALIZER]).held is held


@pytest.mark.parametrize(
    ("spec", "name"),
    [({"policyRef": {"name": "orders"}}, "orders"), ({}, None), ({"policyRef": {}}, None), ({"policyRef": 5}, None)],
    ids=str,
)
def test_the_policy_that_a_backup_refers_to_is_named_or_none_is(spec: dict[str, Any], name: str | None) -> None:
    assert Resource.of({"metadata": META, "spec": spec}).policy_name == name
