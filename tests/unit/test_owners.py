"""Whose a Job is, by kind and uid: what is written into it, and what is read of it again."""

from dataclasses import replace
from typing import Any

import pytest
from tests.builders import UID

from holdfast import naming
from holdfast.decide import ownership
from holdfast.decide.views import OwnerRef, job_view, pod_view
from holdfast.manifests import jobs

OTHERS = {"holdfast.dev/attempt": "2", "holdfast.dev/policy": "orders", "holdfast.dev/task": "verify"}
COMMON = {"app.kubernetes.io/component": "runner", "app.kubernetes.io/managed-by": "holdfast"} | OTHERS


def an_owner(kind: str, name: str = "orders") -> jobs.Owner:
    return jobs.Owner(kind, "shop", name, UID, "orders")


def a_child(owner: jobs.Owner, *references: dict[str, Any]) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": "x", "uid": "u", "labels": owner.labels("verify", 2)}
    return {"metadata": meta | {"ownerReferences": list(references)}}


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("DatabaseBackup", {"holdfast.dev/backup": "orders", "holdfast.dev/backup-uid": UID}),
        ("DatabaseRestore", {"holdfast.dev/restore": "orders", "holdfast.dev/restore-uid": UID}),
        ("BackupPolicy", {"holdfast.dev/policy": "orders", "holdfast.dev/policy-uid": UID}),
    ],
)
def test_the_labels_of_a_job_are_these_in_every_release(kind: str, own: dict[str, str]):
    """An operator finds the Jobs by them that the release before has made."""
    assert an_owner(kind).labels("verify", 2) == COMMON | own


@pytest.mark.parametrize("kind", naming.OWNER_LABELS)
def test_what_is_written_of_an_owner_is_read_again(kind: str):
    owner, ref = an_owner(kind), OwnerRef(kind, UID)
    job = job_view(a_child(owner, owner.reference()))
    pod = pod_view(a_child(owner))

    assert (job.labelled, pod.labelled) == (ref, ref)
    assert ownership.is_ours(job, ref)
    assert not any(ownership.is_ours(job, OwnerRef(other, UID)) for other in naming.OWNER_LABELS.keys() - {kind})


@pytest.mark.parametrize("kind", naming.OWNER_LABELS)
def test_labels_alone_make_no_owner(kind: str):
    assert not ownership.is_ours(job_view(a_child(an_owner(kind))), OwnerRef(kind, UID))


def test_a_job_that_is_to_outlive_its_resource_is_believed_by_its_maker_and_only_without_an_owner():
    owner = an_owner("DatabaseBackup")
    ref, ours, owned = OwnerRef(owner.kind, UID), job_view(a_child(owner)), job_view(a_child(owner, owner.reference()))
    assert ownership.is_ours(replace(ours, made_by="us"), ref, "us")
    assert not ownership.is_ours(replace(ours, made_by="mallory"), ref, "us")
    assert not ownership.is_ours(replace(owned, made_by="us"), ref, "us")


def test_a_pod_of_a_job_that_is_gone_counts_for_the_kind_that_it_is_labelled_for():
    pod = pod_view(a_child(an_owner("BackupPolicy"), {"apiVersion": "batch/v1", "kind": "Job", "uid": "gone",
                                                      "controller": True}))  # fmt: skip

    assert ownership.strays(None, [pod], OwnerRef("BackupPolicy", UID)) == (pod,)
    assert ownership.strays(None, [pod], OwnerRef("DatabaseBackup", UID)) == ()
