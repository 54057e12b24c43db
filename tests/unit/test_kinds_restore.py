"""What a decision about a restore sees: of its own namespace, source and target, and what its next step rests on."""

from collections.abc import Mapping
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest
from tests.builders import NOW, ago, policy_dict, settings
from tests.unit.test_kinds_backup import good

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupStatus
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.restore_status import DatabaseRestoreStatus
from holdfast.decide.decision import MakeBackup
from holdfast.decide.restore.observation import (
    CHECK,
    REMOVAL,
    RESTORE,
    Candidate,
    Former,
    Found,
    Observation,
    SafetyView,
)
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import claim_view
from holdfast.kube.kinds import BACKUPS, POLICIES, RESTORES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import restore as restores
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Sight, Sources

GOING = {"deletionTimestamp": clock.to_text(NOW)}
DATABASE = policy_dict()["database"]
OTHER = DATABASE | {"name": "other"}
JOB = {"activeDeadlineSeconds": 600}
FIXED = {"resolved": {"database": DATABASE, "mode": "Replace", "environment": "staging", "job": JOB}}
SACRED = {"resolved": FIXED["resolved"] | {"environment": "production"}}
OF_BACKUP: dict[str, Any] = {"source": {"backupRef": {"name": "first"}}}
OF_POLICY: dict[str, Any] = {"source": {"policyRef": {"name": "orders"}}}


def a_restore(spec: Any = None, *, name: str = "again", meta: Any = None, **status: Any) -> dict[str, Any]:
    named = {"namespace": "shop", "name": name, "uid": f"u-{name}", "resourceVersion": "1", "generation": 3,
             "creationTimestamp": clock.to_text(ago(60))}  # fmt: skip
    return {"metadata": named | (meta or {}), "spec": spec or OF_BACKUP, "status": status}


def a_policy(name: str = "orders", *, namespace: str = "shop", meta: Any = None, **changes: Any) -> dict[str, Any]:
    named = {"namespace": namespace, "name": name, "uid": f"u-{name}", "resourceVersion": "1"}
    return {"metadata": named | (meta or {}), "spec": policy_dict() | {"environment": "staging"} | changes}


def a_cache(*bodies: dict[str, Any]) -> Cache:
    cache = Cache()
    for body in bodies:
        kind = RESTORES if "source" in body["spec"] else BACKUPS if "policyRef" in body["spec"] else POLICIES
        cache.put(kind, body)
    return cache


def the_sources(cache: Cache, *writing: Mapping[str, Any]) -> Sources:
    """What is being written into the statuses of restores, too."""
    writer: Any = SimpleNamespace(
        under_way=lambda kind, namespace: writing if (kind, namespace) == (RESTORES, "shop") else ()
    )
    plans: Any = None
    return Sources(cache, plans, writer, settings())


def observed(body: dict[str, Any], *others: dict[str, Any], writing: Any = (), **known: Any) -> Observation:
    sources = the_sources(a_cache(body, *others), *writing)
    o, not_read = restores.observe(sources, Resource.of(body), Known(**known), NOW)
    assert not_read is None
    return o


def told(o: Observation) -> dict[str, Any]:
    """All that it says but of the resource itself, where it says something."""
    nothing = Observation(o.restore)
    every = {each.name: getattr(o, each.name) for each in fields(o) if each.name != "restore"}
    return {name: value for name, value in every.items() if value != getattr(nothing, name)}


def the_candidate(name: str, **changes: Any) -> Candidate:
    seen = {"ended": True, "good": True, "suspicious": False, "deleting": False, "completed": ago(2700),
            "backup_id": f"id-{name}"}  # fmt: skip
    return Candidate(name=name, **seen | changes)


def of_purpose(body: dict[str, Any], purpose: str) -> dict[str, Any]:
    return body | {"spec": body["spec"] | {"purpose": purpose}}


CLAIM = claim_view(None, ())
NO_POLICY = {"source_policy_there": False}
SPEC = BackupPolicySpec.model_validate(a_policy()["spec"])
TARGET = {"target": {"policyRef": {"name": "orders"}}}
SEEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "nothing where nothing is there": (lambda: observed(a_restore()), NO_POLICY),
    "the backup that it names": (
        lambda: observed(a_restore(), of_purpose(good("first"), "pre-migration"), good("second")),
        NO_POLICY | {"candidates": (the_candidate("first", purpose="pre-migration"),)},
    ),
    "no backup of another namespace": (lambda: observed(a_restore(), good("first", namespace="crm")), NO_POLICY),
    "each backup of the policy that it names, and that the policy is there": (
        lambda: observed(a_restore(OF_POLICY), a_policy(), good("first"), good("second"), good("x", policy="users")),
        {"candidates": (the_candidate("first"), the_candidate("second"))},
    ),
    "that its source's policy is gone": (lambda: observed(a_restore(OF_POLICY)), NO_POLICY),
    "the policy that its target is of": (
        lambda: observed(a_restore(OF_BACKUP | TARGET), a_policy()), NO_POLICY | {"target_policy": SPEC},
    ),
    "no target's policy that is being deleted": (
        lambda: observed(a_restore(OF_BACKUP | TARGET), a_policy(meta=GOING)), NO_POLICY,
    ),
    "the policies of production, while its target is not fixed": (
        lambda: observed(a_restore(), a_policy(environment="production"), a_policy("dev")),
        NO_POLICY | {"production": (("orders", ("server orders-db.shop.svc:5432", "orders")),)},
    ),
    "none of them once it is": (
        lambda: observed(a_restore(**FIXED), a_policy(environment="production")), NO_POLICY,
    ),
    "the restore that it undoes": (
        lambda: observed(a_restore({"source": {"replacedBy": {"name": "former"}}}), a_restore(name="former", **FIXED)),
        NO_POLICY | {"former": Former("u-former", DatabaseRestoreStatus.model_validate(FIXED))},
    ),
    "no restore that it undoes where that is gone": (
        lambda: observed(a_restore({"source": {"replacedBy": {"name": "former"}}})), NO_POLICY,
    ),
    "what goes before it": (
        lambda: observed(a_restore(**FIXED), a_restore(name="a", meta={"uid": "a"}, **FIXED, jobName="j")),
        NO_POLICY | {"ahead": "a"},
    ),
    "that another one is being begun": (
        lambda: observed(a_restore(), writing=[{"phase": "Running"}, {"jobName": "j"}]),
        NO_POLICY | {"others_begin": True},
    ),
    "that the safety backup of another one is being begun": (
        lambda: observed(a_restore(), writing=[{"safetyBackup": {"name": "s"}}]), NO_POLICY | {"others_begin": True},
    ),
    "nothing of what others write otherwise": (lambda: observed(a_restore(), writing=[{"phase": "Queued"}]), NO_POLICY),
    "what was asked of the API server": (
        lambda: observed(a_restore(), pods_listed=True, source={}, claim=CLAIM),
        NO_POLICY | {"asked": Asked(pods=True), "found": Found(), "claim": CLAIM},
    ),
    "its Jobs by the names in its status, and why they are refused": (
        lambda: observed(
            a_restore(**FIXED, jobName="r", impact={"jobName": "c", "state": "Running", "message": "m"},
                      removal={"names": ["x"], "jobName": "d", "state": "Running"}),
            refused={RESTORE: "a quota", "d": "another"},
        ),
        NO_POLICY | {"works": {CHECK: Seen("c"), RESTORE: Seen("r", refusal="a quota"), REMOVAL: Seen("d")}},
    ),
    "nothing but who undoes it, once it has ended": (
        lambda: observed(
            a_restore(**FIXED, phase="Succeeded"), a_policy(environment="production"), good("first"),
            a_restore({"source": {"replacedBy": {"name": "again"}}}, name="back"), source={},
        ),
        {"undone": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("found", "says"), SEEN.values(), ids=SEEN.keys())
def test_a_restore_is_seen_with(found: Any, says: dict[str, Any]):
    assert told(found()) == says


def a_safety_backup(**changes: Any) -> dict[str, Any]:
    body = good("saved")
    body["metadata"]["labels"] = {naming.uid_label(naming.RESTORE_KIND): "u-again"}
    body["metadata"] |= changes.pop("meta", {})
    return body | {"spec": body["spec"] | changes.pop("spec", {}), "status": changes.pop("status", body["status"])}


SAVED = SafetyView(
    restore="u-again", ended=True, good=True, deleting=False, completed=ago(2700), failed_for="", of_target=True,
    created=NOW, waits=False, policy_gone=None,
)  # fmt: skip
POLICIES_OF_IT = {"policies": (("orders", SPEC),)}
TAKES = {"safetyBackup": {"name": "saved", "message": "m"}}
SAFETY: dict[str, tuple[Any, dict[str, Any]]] = {
    "the policies that it may be of, before it has a name": (
        lambda: observed(a_restore(**SACRED), a_policy(), a_policy("more", database=OTHER)), POLICIES_OF_IT,
    ),
    "none of another namespace, and none that cannot be read": (
        lambda: observed(a_restore(**SACRED), a_policy(), a_policy(namespace="crm"), a_policy("odd", environment=7)),
        POLICIES_OF_IT,
    ),
    "the backup of that name": (
        lambda: observed(a_restore(**SACRED, **TAKES), a_safety_backup(), a_policy()),
        POLICIES_OF_IT | {"safety": SAVED},
    ),
    "that it is refused": (
        lambda: observed(a_restore(**SACRED, **TAKES), refused={"saved": "a quota"}), {"safety_refused": "a quota"},
    ),
    "nothing of it where none is taken": (
        lambda: observed(a_restore(**SACRED, safetyBackup={"message": "none"}), a_safety_backup()), {},
    ),
    "nothing of it where its target is no production": (
        lambda: observed(a_restore(**FIXED, **TAKES), a_safety_backup(), a_policy(), refused={"saved": "q"}), {},
    ),
    "nothing of it once the restore has its Job": (
        lambda: observed(
            a_restore(**SACRED, **TAKES, jobName="r"), a_safety_backup(), a_policy(), refused={"saved": "q"},
        ),
        {"works": {RESTORE: Seen("r")}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("found", "says"), SAFETY.values(), ids=SAFETY.keys())
def test_of_the_backup_before_a_restore_into_production_is_seen(found: Any, says: dict[str, Any]):
    assert told(found()) == NO_POLICY | says


FAILED = {"phase": "Failed", "backupID": "b", "failure": {"reason": "DumpFailed", "message": "m"}}
VIEWS: dict[str, tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]] = {
    "a good one of the target": (a_safety_backup(), a_policy(), {}),
    "of another database": (
        good("saved", resolved={"database": OTHER}), a_policy(), {"restore": "", "of_target": False},
    ),
    "one that has failed": (
        a_safety_backup(status=FAILED), a_policy(),
        {"good": False, "completed": None, "failed_for": "DumpFailed", "of_target": False},
    ),
    "one that is being deleted": (a_safety_backup(meta=GOING), a_policy(), {"deleting": True}),
    "one that waits": (
        a_safety_backup(status={}), a_policy(),
        {"ended": False, "good": False, "completed": None, "of_target": False, "waits": True},
    ),
    "one that waits for a policy that is gone": (
        a_safety_backup(status={}), None,
        {"ended": False, "good": False, "completed": None, "of_target": False, "waits": True, "policy_gone": "orders"},
    ),
    "one that waits for a policy that is going": (
        a_safety_backup(status={}), a_policy(meta=GOING),
        {"ended": False, "good": False, "completed": None, "of_target": False, "waits": True, "policy_gone": "orders"},
    ),
    "one that has begun, whose policy is gone": (a_safety_backup(), None, {}),
    "one that waits, and has all in itself": (
        a_safety_backup(status={}, spec={"policyRef": None, "policy": policy_dict()}), None,
        {"ended": False, "good": False, "completed": None, "of_target": False, "waits": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("backup", "policy", "changes"), VIEWS.values(), ids=VIEWS.keys())
def test_the_backup_before_it_is_seen_as(backup: Any, policy: Any, changes: dict[str, Any]):
    o = observed(a_restore(**SACRED, **TAKES), backup, *([policy] if policy else []))
    assert o.safety == SafetyView(**vars(SAVED) | changes)


@pytest.mark.parametrize(
    "body",
    [
        a_restore({"source": {}, "mode": "Whatever"}),
        a_restore(resolved="gone"),
        a_restore(OF_BACKUP | {"target": {"policyRef": {"name": "odd"}}}),
    ],
    ids=["its spec", "its status", "its target's policy"],
)
def test_one_that_cannot_be_read_fails_whatever_else_is_known_of_it(body: dict[str, Any]):
    sources = the_sources(a_cache(body, a_policy("odd", environment=7), good("first")))
    o, decision = restores.observe(sources, Resource.of(body), Known(), NOW)
    assert decision is not None
    assert decision.status is not None
    assert (o.restore.name, o.restore.uid, decision.status.to_dict()["failure"]["reason"]) == (
        "again",
        "u-again",
        "InvalidSpec",
    )


META = {"name": "first", "uid": "u-first", "creationTimestamp": clock.to_text(NOW)}
STATUS = good("first")["status"]
NO_DATA = "DatabaseBackup first has no data that can be restored: it failed, or its data is gone"
FOUND: dict[str, tuple[Any, Found | None]] = {
    "not asked for yet": (None, None),
    "gone": ({}, Found()),
    "a good one": (
        {"metadata": META, "status": STATUS},
        Found("u-first", NOW, DatabaseBackupStatus.model_validate(STATUS)),
    ),
    "failed": ({"metadata": META, "status": FAILED}, Found(wrong=NO_DATA)),
    "without a status": ({"metadata": META}, Found(wrong=NO_DATA)),
}  # fmt: skip


@pytest.mark.parametrize(("source", "found"), FOUND.values(), ids=FOUND.keys())
def test_the_backup_that_was_asked_for_whole_is(source: Any, found: Found | None):
    assert observed(a_restore(), source=source).found == found


def test_what_cannot_be_read_of_the_backup_is_named():
    found = observed(a_restore(), source={"metadata": META, "status": STATUS | {"resolved": "gone"}}).found
    assert found is not None
    assert found == Found(wrong=found.wrong)
    assert found.wrong.startswith("DatabaseBackup first cannot be read: ")
    assert "resolved" in found.wrong


def looked(body: dict[str, Any], *others: dict[str, Any]) -> Sight:
    return restores.look(the_sources(a_cache(body, *others)), Resource.of(body), Known(), NOW)


@pytest.mark.parametrize(
    ("body", "woken"),
    [
        (a_restore(**FIXED, phase="Running", jobName="j"), []),
        (a_restore(**FIXED, phase="Queued"), []),
        (a_restore(), []),
        (a_restore(**FIXED, phase="Succeeded", jobName="j"), ["next"]),
        (a_restore(**FIXED, phase="Failed", jobName="j"), ["next"]),
        (a_restore(**FIXED, phase="AwaitingConfirmation"), ["next"]),
        (a_restore(**FIXED, phase="Running", jobName="j", meta=GOING), ["next"]),
    ],
    ids=["it runs", "it waits", "new", "it has succeeded", "it has failed", "nobody has confirmed it", "it is going"],
)
def test_whoever_waits_behind_it_is_woken_when_it_holds_up_nobody_any_more(body: dict[str, Any], woken: list[str]):
    sight = looked(body, a_restore(name="next", **FIXED, phase="Queued"))
    assert sight.wakes == tuple(Key(RESTORES.kind, "shop", name) for name in woken)


def test_a_look_brings_its_jobs_and_the_claim_that_its_database_lies_on():
    volume = {"engine": "sqlite", "name": "app.db", "volume": {"claimName": "app-data", "path": "app.db"}}
    on_a_claim = {"resolved": FIXED["resolved"] | {"database": volume}}
    sight = looked(a_restore(**on_a_claim, jobName="r"))
    assert (sight.namespace, sight.works, sight.claim_name) == ("shop", {RESTORE: Seen("r")}, "app-data")
    sight = looked(a_restore(**FIXED))
    assert (sight.works, sight.claim_name) == ({}, None)


@pytest.mark.parametrize(
    ("body", "others", "name"),
    [
        (a_restore(), [good("first")], "first"),
        (
            a_restore(OF_POLICY),
            [good("first"), good("second", completedAt="2026-11-22T08:10:00Z"), a_policy()],
            "second",
        ),
        (a_restore(), [good("first", phase="Failed", failure={"reason": "DumpFailed", "message": "m"})], None),
        (a_restore(), [], None),
        (a_restore(**FIXED), [good("first")], None),
    ],
    ids=["the one that it names", "its policy's last good one", "none that failed", "none is there", "it is fixed"],
)
def test_the_backup_that_is_asked_for_whole_is(body: dict[str, Any], others: list[Any], name: str | None):
    assert looked(body, *others).source_name == name


def test_the_backup_before_it_is_made_for_it_and_is_of_the_policy_of_its_target():
    made = looked(a_restore(**SACRED, **TAKES), a_policy()).child_of(MakeBackup("saved"))
    assert (made["metadata"]["namespace"], made["metadata"]["name"]) == ("shop", "saved")
    assert made["metadata"]["labels"][naming.uid_label(naming.RESTORE_KIND)] == "u-again"
    assert made["spec"]["policyRef"] == {"name": "orders"}
