"""The DatabaseBackups that a policy makes: by its schedule, or where its annotation asks for one. Pure.

They carry the policy's name and uid and nothing else of its: no owner, so that no garbage collection follows the
policy, and none of its labels and annotations, by which a tool for Git would take them for its own and remove them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast import clock, naming
from holdfast.api.release import Purpose, Release
from holdfast.sentences import shorten
from holdfast.texts import plain

_MAX_REASON = 512  # characters, as the resource allows


def by_schedule(namespace: str, policy: str, uid: str, slot: datetime) -> dict[str, Any]:
    """Return the backup of a slot."""
    labels = {naming.LABEL_SLOT: naming.slot_label(slot)}
    reason = f"scheduled for {clock.to_text(slot)}"
    return _backup(namespace, naming.slot_name(policy, slot), policy, uid, labels, reason)


def asked_for(namespace: str, policy: str, uid: str, request: str, number: int) -> dict[str, Any]:
    """Return the backup that the annotation asks for."""
    name = naming.asked_name(policy, uid, request, number)
    reason = f"asked for by the annotation {naming.ANNOTATION_BACKUP_NOW}: {plain(request)}"
    return _backup(namespace, name, policy, uid, {}, reason)


def before_migration(namespace: str, name: str, policy: str, uid: str, job: str, release: Release) -> dict[str, Any]:
    """Return the backup that a migration Job waits for: it outlives the Job, so that does not own it either."""
    labels = {naming.LABEL_PURPOSE: Purpose.PRE_MIGRATION.value, naming.LABEL_MIGRATION: naming.label_value(job)}
    labels |= {naming.LABEL_MIGRATION_UID: release.job_uid} if release.job_uid else {}
    made = _backup(namespace, name, policy, uid, labels, f"before the migration by Job {job}")
    made["spec"] |= {"purpose": Purpose.PRE_MIGRATION.value, "release": release.to_dict()}
    return made


def before_restore(
    namespace: str, name: str, restore: str, uid: str, policy: str | None, given: Mapping[str, Any] | None, days: int
) -> dict[str, Any]:  # fmt: skip
    """Return the backup of a restore's target: it outlives the restore, so that does not own it either."""
    labels = {
        naming.MANAGED_BY: naming.MANAGER,
        naming.LABEL_PURPOSE: Purpose.SAFETY.value,
        naming.LABEL_RESTORE: naming.label_value(restore),
        naming.uid_label(naming.RESTORE_KIND): uid,
    }
    if policy is not None:
        labels[naming.LABEL_POLICY] = naming.label_value(policy)
    of = {"policyRef": {"name": policy}} if policy is not None else {"policy": given}
    what = {
        "label": Purpose.SAFETY.value,
        "reason": shorten(f"of the target, before DatabaseRestore {restore}", _MAX_REASON),
        "purpose": Purpose.SAFETY.value,
        "retentionDays": days,
    }
    return {
        "apiVersion": naming.API_VERSION,
        "kind": naming.BACKUP_KIND,
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {**of, **what},
    }


def _backup(
    namespace: str, name: str, policy: str, uid: str, labels: dict[str, str], reason: str
) -> dict[str, Any]:  # fmt: skip
    known = {naming.MANAGED_BY: naming.MANAGER, naming.LABEL_POLICY: naming.label_value(policy)}
    uid_label = {naming.uid_label(naming.POLICY_KIND): uid}
    return {
        "apiVersion": naming.API_VERSION,
        "kind": naming.BACKUP_KIND,
        "metadata": {"namespace": namespace, "name": name, "labels": {**known, **uid_label, **labels}},
        "spec": {"policyRef": {"name": policy}, "reason": shorten(reason, _MAX_REASON)},
    }
