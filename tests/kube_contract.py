"""What the operator relies on an API server for. Run on the real one (tests/contract) and on the fake (tests/unit)."""

from typing import Any

import pytest

from holdfast import naming
from holdfast.api.crd import UNSEEN
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import AlreadyExists, Conflict, KubeError, NotFound, Refused
from holdfast.kube.kinds import BACKUPS, EVENTS, LEASES

ANOTHER_UID = "00000000-0000-0000-0000-000000000000"


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


def an_event(namespace: str, name: str, kind: str, reason: str, uid: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {"kind": kind, "name": "j", "namespace": namespace, "uid": uid},
        "reason": reason,
        "message": "exceeded quota",
        "type": "Warning",
    }


def a_condition(type_: str) -> dict[str, str]:
    when = "2026-11-22T08:45:00Z"
    return {"type": type_, "status": "True", "reason": "Told", "message": "it is", "lastTransitionTime": when}


def names(found: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in found]


class KubeContract:
    """Needs the fixtures `client`, `namespace` (shared with others) and `unique` (a word for one test's names)."""

    async def test_what_is_created_can_be_read(self, client: KubeClient, namespace: str, unique: str) -> None:
        created = await client.create(LEASES, namespace, a_lease(unique, a="1"))
        assert await client.get(LEASES, namespace, unique) == created
        assert (created["apiVersion"], created["kind"]) == (LEASES.api_version, LEASES.kind)
        assert created["metadata"].keys() >= {"uid", "resourceVersion", "creationTimestamp"}
        assert (created["metadata"]["namespace"], created["metadata"]["labels"]) == (namespace, {"a": "1"})

    async def test_an_answer_is_a_copy(self, client: KubeClient, namespace: str, unique: str) -> None:
        created = await client.create(LEASES, namespace, a_lease(unique))
        created["spec"]["holderIdentity"] = "another"
        (await client.get(LEASES, namespace, unique))["spec"]["holderIdentity"] = "another"
        assert (await client.get(LEASES, namespace, unique))["spec"] == {"holderIdentity": "nobody"}

    async def test_a_name_is_there_once(self, client: KubeClient, namespace: str, unique: str) -> None:
        first = await client.create(LEASES, namespace, a_lease(unique))
        with pytest.raises(AlreadyExists, match=f'"{unique}" already exists'):
            await client.create(LEASES, namespace, a_lease(unique))
        assert await client.get(LEASES, namespace, unique) == first

    async def test_a_name_that_is_free_again_is_another_object(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        first = await client.create(LEASES, namespace, a_lease(unique))
        await client.delete(LEASES, namespace, unique, uid=None)
        body = a_lease(unique)
        body["metadata"]["uid"] = first["metadata"]["uid"]
        second = await client.create(LEASES, namespace, body)
        assert second["metadata"]["uid"] != first["metadata"]["uid"]
        assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]

    async def test_what_is_not_there_is_not_found(self, client: KubeClient, namespace: str, unique: str) -> None:
        for call in (
            client.get(LEASES, namespace, unique),
            client.patch(LEASES, namespace, unique, {"spec": {}}),
            client.delete(LEASES, namespace, unique, uid=None),
            client.delete(LEASES, namespace, unique, uid=ANOTHER_UID),
        ):
            with pytest.raises(NotFound, match=unique):
                await call

    async def test_an_object_is_created_where_it_says(self, client: KubeClient, namespace: str, unique: str) -> None:
        body = a_lease(unique)
        body["metadata"]["namespace"] = "elsewhere"
        with pytest.raises(Refused, match="namespace"):
            await client.create(LEASES, namespace, body)

    async def test_what_was_read_is_not_created(self, client: KubeClient, namespace: str, unique: str) -> None:
        created = await client.create(LEASES, namespace, a_lease(unique))
        await client.delete(LEASES, namespace, unique, uid=None)
        with pytest.raises(KubeError, match="resourceVersion"):
            await client.create(LEASES, namespace, created)

    async def test_a_patch_of_an_older_version_changes_nothing(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        created = await client.create(LEASES, namespace, a_lease(unique))
        version = created["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": "first"}}
        patched = await client.patch(LEASES, namespace, unique, body)
        assert patched["metadata"]["resourceVersion"] != version
        body["spec"]["holderIdentity"] = "second"
        with pytest.raises(Conflict):
            await client.patch(LEASES, namespace, unique, body)
        assert await client.get(LEASES, namespace, unique) == patched
        assert patched["spec"]["holderIdentity"] == "first"

    async def test_a_status_of_an_older_version_changes_nothing(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        created = await client.create(BACKUPS, namespace, a_backup(unique))
        await client.patch(BACKUPS, namespace, unique, {"status": {"phase": "Running"}}, subresource="status")
        version = {"resourceVersion": created["metadata"]["resourceVersion"]}
        with pytest.raises(Conflict):
            await client.patch(
                BACKUPS, namespace, unique, {"metadata": version, "status": {"phase": "Failed"}}, subresource="status"
            )
        assert (await client.get(BACKUPS, namespace, unique))["status"] == {**UNSEEN, "phase": "Running"}

    async def test_a_patch_for_another_uid_changes_nothing(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        created = await client.create(LEASES, namespace, a_lease(unique))
        with pytest.raises(Refused, match="immutable"):
            await client.patch(
                LEASES, namespace, unique, {"metadata": {"uid": ANOTHER_UID}, "spec": {"holderIdentity": "another"}}
            )
        assert await client.get(LEASES, namespace, unique) == created

    async def test_a_patch_that_changes_nothing_is_no_new_version(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        created = await client.create(LEASES, namespace, a_lease(unique))
        again = await client.patch(LEASES, namespace, unique, {"spec": {"holderIdentity": "nobody"}})
        assert again["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]

    async def test_a_patch_merges_and_null_removes(self, client: KubeClient, namespace: str, unique: str) -> None:
        await client.create(LEASES, namespace, a_lease(unique, keep="1", drop="1"))
        body = {"metadata": {"labels": {"drop": None, "never-there": None, "add": "1"}}}
        patched = await client.patch(LEASES, namespace, unique, body)
        assert patched["metadata"]["labels"] == {"keep": "1", "add": "1"}
        assert patched["spec"] == {"holderIdentity": "nobody"}

    async def test_a_patch_replaces_a_list(self, client: KubeClient, namespace: str, unique: str) -> None:
        await client.create(BACKUPS, namespace, a_backup(unique))
        for told in ([a_condition("Ready"), a_condition("Verified")], [a_condition("Stalled")]):
            patched = await client.patch(
                BACKUPS, namespace, unique, {"status": {"conditions": told}}, subresource="status"
            )
            assert patched["status"]["conditions"] == told

    async def test_status_and_the_rest_are_written_apart(self, client: KubeClient, namespace: str, unique: str) -> None:
        created = await client.create(BACKUPS, namespace, {**a_backup(unique), "status": {"phase": "Running"}})
        assert created["status"] == UNSEEN
        both = {"spec": {"retentionDays": 7}, "status": {"phase": "Running"}}
        by_status = await client.patch(BACKUPS, namespace, unique, both, subresource="status")
        assert (by_status["spec"], by_status["status"]) == (created["spec"], {**UNSEEN, "phase": "Running"})
        both["status"]["phase"] = "Failed"
        by_the_rest = await client.patch(BACKUPS, namespace, unique, {**both, "metadata": {"labels": {"a": "1"}}})
        assert by_the_rest["status"] == {**UNSEEN, "phase": "Running"}
        assert by_the_rest["metadata"]["labels"] == {"a": "1"}

    async def test_the_generation_counts_what_is_asked_for(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        created = await client.create(BACKUPS, namespace, a_backup(unique))
        assert created["metadata"]["generation"] == 1
        await client.patch(BACKUPS, namespace, unique, {"status": {"phase": "Running"}}, subresource="status")
        labelled = await client.patch(BACKUPS, namespace, unique, {"metadata": {"labels": {"a": "1"}}})
        assert labelled["metadata"]["generation"] == 1
        asked = await client.patch(BACKUPS, namespace, unique, {"spec": {"retentionDays": 7}})
        assert asked["metadata"]["generation"] == 2

    @pytest.mark.parametrize(
        ("selector", "found"),
        [
            ("side=left", ["0", "1"]),
            ("side==left,end=b", ["1"]),
            ("side!=left", ["2", "3"]),
            ("side", ["0", "1", "2"]),
            ("side=up", []),
        ],
    )
    async def test_a_list_has_what_its_labels_select(
        self, client: KubeClient, namespace: str, unique: str, selector: str, found: list[str]
    ) -> None:
        labels = {"side": "left", "end": "a"}, {"side": "left", "end": "b"}, {"side": "right"}, {}
        for number, marks in enumerate(labels):
            await client.create(LEASES, namespace, a_lease(f"{unique}-{number}", test=unique, **marks))
        for where in (namespace, None):
            listed = await client.list(LEASES, where, label_selector=f"test={unique},{selector}")
            assert names(listed) == [f"{unique}-{number}" for number in found]

    async def test_a_list_has_what_its_fields_select(self, client: KubeClient, namespace: str, unique: str) -> None:
        for name in ("a", "b"):
            await client.create(LEASES, namespace, a_lease(f"{unique}-{name}", test=unique))
        one = await client.list(
            LEASES, namespace, label_selector=f"test={unique}", field_selector=f"metadata.name={unique}-b"
        )
        assert names(one) == [f"{unique}-b"]

    async def test_events_are_selected_by_what_they_are_about(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        told = {"a": ("Job", "FailedCreate"), "b": ("Job", "Completed"), "c": ("Pod", "FailedCreate")}
        for name, (kind, reason) in told.items():
            await client.create(EVENTS, namespace, an_event(namespace, f"{unique}-{name}", kind, reason, unique))
        mine = f"involvedObject.uid={unique}"
        assert len(await client.list(EVENTS, namespace, field_selector=mine)) == 3
        refusals = await client.list(
            EVENTS, namespace, field_selector=f"{mine},involvedObject.kind=Job,reason=FailedCreate"
        )
        assert names(refusals) == [f"{unique}-a"]

    async def test_a_list_is_in_the_order_of_names_and_of_one_kind(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        for name in ("c", "a", "b"):
            await client.create(LEASES, namespace, a_lease(f"{unique}-{name}", test=unique))
        backup = a_backup(f"{unique}-d")
        backup["metadata"]["labels"] = {"test": unique}
        await client.create(BACKUPS, namespace, backup)
        found = await client.list(LEASES, namespace, label_selector=f"test={unique}")
        assert names(found) == [f"{unique}-{name}" for name in "abc"]
        briefly = await client.list(LEASES, namespace, label_selector=f"test={unique}", metadata_only=True)
        assert [it["metadata"]["resourceVersion"] for it in briefly] == [
            it["metadata"]["resourceVersion"] for it in found
        ]
        assert all("spec" not in it for it in briefly)

    async def test_a_namespace_that_is_not_there_has_no_objects(self, client: KubeClient, unique: str) -> None:
        assert await client.list(LEASES, unique) == []

    async def test_a_delete_spares_an_object_that_has_changed_since_it_was_seen(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        created = await client.create(LEASES, namespace, a_lease(unique))
        uid, version = created["metadata"]["uid"], created["metadata"]["resourceVersion"]
        changed = await client.patch(LEASES, namespace, unique, {"metadata": {"labels": {"changed": "yes"}}})
        with pytest.raises(Conflict, match="ResourceVersion"):
            await client.delete(LEASES, namespace, unique, uid=uid, version=version)
        await client.delete(LEASES, namespace, unique, uid=uid, version=changed["metadata"]["resourceVersion"])
        with pytest.raises(NotFound):
            await client.get(LEASES, namespace, unique)

    async def test_a_delete_spares_an_object_of_the_same_name_and_another_uid(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        created = await client.create(LEASES, namespace, a_lease(unique))
        with pytest.raises(Conflict, match="UID"):
            await client.delete(LEASES, namespace, unique, uid=ANOTHER_UID)
        await client.delete(LEASES, namespace, unique, uid=created["metadata"]["uid"])
        with pytest.raises(NotFound):
            await client.get(LEASES, namespace, unique)

    async def test_what_has_a_finalizer_stays_being_deleted_until_it_is_taken_away(
        self, client: KubeClient, namespace: str, unique: str
    ) -> None:
        body = a_backup(unique)
        body["metadata"]["finalizers"] = [naming.FINALIZER]
        await client.create(BACKUPS, namespace, body)
        await client.delete(BACKUPS, namespace, unique, uid=None)
        left = (await client.get(BACKUPS, namespace, unique))["metadata"]
        assert "deletionTimestamp" in left
        more = {"metadata": {"finalizers": [naming.FINALIZER, "example.com/another"]}}
        with pytest.raises(Refused, match="finalizers"):
            await client.patch(BACKUPS, namespace, unique, more)
        free = {"metadata": {"resourceVersion": left["resourceVersion"], "finalizers": []}}
        await client.patch(BACKUPS, namespace, unique, free)
        with pytest.raises(NotFound):
            await client.get(BACKUPS, namespace, unique)

    async def test_the_server_says_who_we_are(self, client: KubeClient) -> None:
        assert await client.who_am_i()
