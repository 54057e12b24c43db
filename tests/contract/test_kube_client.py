"""What the client promises, on a real API server."""

import asyncio
from typing import Any

import pytest

from holdfast.kube import paging
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import AlreadyExists, Conflict, NotFound, NotServed, Refused
from holdfast.kube.kinds import BACKUPS, JOBS, LEASES, Kind


def a_lease(name: str, **labels: str) -> dict[str, Any]:
    """The smallest object that any cluster takes, and that nothing acts upon."""
    return {"metadata": {"name": name, "labels": labels}, "spec": {"holderIdentity": "nobody"}}


def a_backup(name: str) -> dict[str, Any]:
    return {
        "apiVersion": BACKUPS.api_version,
        "kind": BACKUPS.kind,
        "metadata": {"name": name},
        "spec": {"policyRef": {"name": "orders"}},
    }


async def test_what_is_created_can_be_read(client: KubeClient, namespace: str, unique: str) -> None:
    created = await client.create(LEASES, namespace, a_lease(unique))
    assert await client.get(LEASES, namespace, unique) == created
    assert created["metadata"]["managedFields"][0]["manager"] == "holdfast-operator"


async def test_creating_twice_says_already_exists(client: KubeClient, namespace: str, unique: str) -> None:
    await client.create(LEASES, namespace, a_lease(unique))
    with pytest.raises(AlreadyExists, match=f'"{unique}" already exists'):
        await client.create(LEASES, namespace, a_lease(unique))


async def test_what_is_not_there_is_not_found(client: KubeClient, namespace: str, unique: str) -> None:
    with pytest.raises(NotFound, match=unique):
        await client.get(LEASES, namespace, unique)
    with pytest.raises(NotFound, match=unique):
        await client.patch(LEASES, namespace, unique, {"spec": {}})
    with pytest.raises(NotFound, match=unique):
        await client.delete(LEASES, namespace, unique, uid=None)


@pytest.mark.parametrize("group", ["coordination.k8s.io", "nobody.example.com"], ids=["group known", "group unknown"])
async def test_a_kind_that_is_not_installed_is_named_with_what_brings_it(client: KubeClient, group: str) -> None:
    for namespace in ("default", None):
        with pytest.raises(
            NotServed, match=r"does not serve ships of .*/v1: install the CustomResourceDefinition, with"
        ):
            await client.list(Kind(group, "v1", "ships", "Ship"), namespace, metadata_only=True)


async def test_a_namespace_that_does_not_exist_has_no_objects(client: KubeClient, unique: str) -> None:
    assert await client.list(LEASES, unique) == []


async def test_a_refusal_carries_the_servers_sentence(client: KubeClient, namespace: str) -> None:
    with pytest.raises(Refused, match=r'metadata.name: Invalid value: "Not_A_Name"') as caught:
        await client.create(LEASES, namespace, a_lease("Not_A_Name"))
    assert caught.value.status == 422


@pytest.mark.usefixtures("crds")
async def test_a_rule_of_our_own_resource_refuses_with_its_sentence(
    client: KubeClient, namespace: str, unique: str
) -> None:
    body = a_backup(unique)
    body["spec"] = {}
    with pytest.raises(Refused, match="set exactly one of policyRef and policy"):
        await client.create(BACKUPS, namespace, body)


async def test_a_patch_with_an_old_version_is_a_conflict(client: KubeClient, namespace: str, unique: str) -> None:
    created = await client.create(LEASES, namespace, a_lease(unique))
    await client.patch(LEASES, namespace, unique, {"spec": {"holderIdentity": "first"}})
    body = {
        "metadata": {"resourceVersion": created["metadata"]["resourceVersion"]},
        "spec": {"holderIdentity": "second"},
    }
    with pytest.raises(Conflict):
        await client.patch(LEASES, namespace, unique, body)
    assert (await client.get(LEASES, namespace, unique))["spec"]["holderIdentity"] == "first"


async def test_a_patch_merges_and_null_removes(client: KubeClient, namespace: str, unique: str) -> None:
    await client.create(LEASES, namespace, a_lease(unique, keep="1", drop="1"))
    patched = await client.patch(LEASES, namespace, unique, {"metadata": {"labels": {"drop": None, "add": "1"}}})
    assert patched["metadata"]["labels"] == {"keep": "1", "add": "1"}
    assert patched["spec"]["holderIdentity"] == "nobody"


@pytest.mark.usefixtures("crds")
async def test_a_patch_of_status_leaves_the_spec_alone(client: KubeClient, namespace: str, unique: str) -> None:
    created = await client.create(BACKUPS, namespace, a_backup(unique))
    body = {"spec": {"retentionDays": 7}, "status": {"phase": "Running", "jobName": unique}}
    patched = await client.patch(BACKUPS, namespace, unique, body, subresource="status")
    assert patched["status"] == {**created["status"], "phase": "Running", "jobName": unique}
    assert patched["spec"] == created["spec"]
    assert patched["metadata"]["generation"] == created["metadata"]["generation"]


async def test_a_list_takes_what_both_selectors_match(client: KubeClient, namespace: str, unique: str) -> None:
    for number, side in enumerate(["left", "left", "right"]):
        await client.create(LEASES, namespace, a_lease(f"{unique}-{number}", test=unique, side=side))
    both = await client.list(LEASES, namespace, label_selector=f"test={unique},side=left")
    assert [item["metadata"]["name"] for item in both] == [f"{unique}-0", f"{unique}-1"]
    one = await client.list(
        LEASES, namespace, label_selector=f"test={unique}", field_selector=f"metadata.name={unique}-2"
    )
    assert [item["metadata"]["name"] for item in one] == [f"{unique}-2"]
    everywhere = await client.list(LEASES, None, label_selector=f"test={unique}")
    assert len(everywhere) == 3


@pytest.mark.parametrize("metadata_only", [False, True], ids=["whole objects", "metadata only"])
async def test_a_long_list_is_read_to_its_end(
    client: KubeClient, namespace: str, unique: str, monkeypatch: pytest.MonkeyPatch, metadata_only: bool
) -> None:
    monkeypatch.setattr(paging, "FIRST", 3)
    await asyncio.gather(*(client.create(LEASES, namespace, a_lease(f"{unique}-{n}", test=unique)) for n in range(10)))
    found = await client.list(LEASES, namespace, label_selector=f"test={unique}", metadata_only=metadata_only)
    assert {item["metadata"]["name"] for item in found} == {f"{unique}-{n}" for n in range(10)}
    assert all("resourceVersion" in item["metadata"] for item in found)
    assert all(("spec" in item) is not metadata_only for item in found)


@pytest.mark.parametrize("metadata_only", [False, True], ids=["whole objects", "metadata only"])
async def test_an_empty_list_is_empty(client: KubeClient, namespace: str, metadata_only: bool) -> None:
    assert await client.list(JOBS, namespace, label_selector="no=such", metadata_only=metadata_only) == []


async def test_a_server_streams_what_there_is_or_says_that_it_does_not(
    client: KubeClient, namespace: str, unique: str
) -> None:
    await client.create(LEASES, namespace, a_lease(unique))
    for where in (namespace, None):
        told = await asyncio.gather(client.streams(LEASES, where), return_exceptions=True)
        assert told == [True] or "WatchList feature gate" in str(told)  # Kubernetes 1.30, 1.31 and 1.33 do not


async def test_a_delete_spares_an_object_of_the_same_name_and_another_uid(
    client: KubeClient, namespace: str, unique: str
) -> None:
    created = await client.create(LEASES, namespace, a_lease(unique))
    with pytest.raises(Conflict, match="UID"):
        await client.delete(LEASES, namespace, unique, uid="00000000-0000-0000-0000-000000000000")
    await client.delete(LEASES, namespace, unique, uid=created["metadata"]["uid"])
    with pytest.raises(NotFound):
        await client.get(LEASES, namespace, unique)
