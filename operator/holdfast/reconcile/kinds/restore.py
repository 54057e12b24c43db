"""A DatabaseRestore: what a decision about it sees, whom to ask what to do, and the restores that wait for it."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from holdfast import naming
from holdfast.api.backup import DatabaseBackupStatus, is_good
from holdfast.api.begun import there
from holdfast.api.policy import BackupPolicySpec, Environment
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_source import RestoreSource
from holdfast.api.restore_status import DatabaseRestoreStatus, Phase
from holdfast.api.unreadable import as_far_as_readable, explained
from holdfast.decide import claims
from holdfast.decide.backup.suspicion import identity
from holdfast.decide.decision import MakeBackup
from holdfast.decide.restore import impact, safety, snapshots, steps, unreadable
from holdfast.decide.restore.observation import (
    CHECK,
    REMOVAL,
    RESTORE,
    Candidate,
    Decision,
    Former,
    Found,
    Observation,
    RestoreView,
    SafetyView,
)
from holdfast.decide.seen import Asked
from holdfast.kube.kinds import RESTORES
from holdfast.manifests import children, jobs, restore_jobs
from holdfast.reconcile import restores
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds.works import work
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Row, Sight, Sources
from holdfast.settings import Settings
from holdfast.untrusted import mapping, moment, needed, word


def look(sources: Sources, resource: Resource, known: Known, now: datetime) -> Sight:
    """Observe one, and ask what to do."""
    o, not_read = observe(sources, resource, known, now)
    decision = not_read or steps.decide(o, sources.settings, now)
    phase = o.restore.status.phase
    out_of_line = o.restore.deleting or bool(phase and (phase.is_final or phase is Phase.AWAITING_CONFIRMATION))
    return Sight(
        resource.namespace,
        decision,
        works=o.works,
        job_of=lambda role: _job(role, o, sources.settings),
        child_of=lambda act: _child(act, o, sources.settings),
        claim_name=_claim_name(o),
        source_name=_source_name(o, now),
        wakes=tuple(_concerned(sources.cache, resource)) if out_of_line else (),
    )


ROW = Row(RESTORES, look)


def observe(sources: Sources, resource: Resource, known: Known, now: datetime) -> tuple[Observation, Decision | None]:
    """Read everything; what cannot be read is a decision of its own."""
    cache, namespace = sources.cache, resource.namespace
    status = as_far_as_readable(DatabaseRestoreStatus, resource.status)
    try:
        spec = DatabaseRestoreSpec.model_validate(resource.spec)
        DatabaseRestoreStatus.model_validate(resource.status)
    except ValidationError as error:
        o = _seen(cache, resource, _NO_SPEC, status, known, now)
        return o, unreadable.decide(o, error, now)
    o = _seen(cache, resource, spec, status, known, now)
    if status.phase and status.phase.is_final:
        return replace(o, undone=restores.undone(cache, namespace, resource.name)), None
    try:
        o = replace(o, target_policy=_policy(cache, namespace, spec))
    except ValidationError as error:
        return o, unreadable.decide(o, error, now)
    writing = sources.writer.under_way(RESTORES, namespace)
    return replace(
        o,
        candidates=tuple(_candidates(cache, namespace, spec)),
        source_policy_there=_source_policy(cache, namespace, spec) is not None,
        found=_found(known),
        former=_former(cache, namespace, spec),
        production=tuple(restores.of_production(cache, namespace)) if status.resolved is None else (),
        **_safety(cache, namespace, status, known),
        ahead=restores.ahead(cache, resource, status),
        others_begin=any("jobName" in patch or "safetyBackup" in patch for patch in writing),
    ), None


def _safety(cache: Cache, namespace: str, status: DatabaseRestoreStatus, known: Known) -> dict[str, Any]:
    """Read what is known of the backup that goes before the restore, and of the policies that it may be of."""
    told, resolved = status.safety_backup, status.resolved
    if resolved is None or resolved.environment is not Environment.PRODUCTION or status.job_name is not None:
        return {}
    name = told.name if told else None
    backup = cache.backup(namespace, name) if name else None
    return {
        "safety": _safety_view(cache, backup, resolved.database.to_dict()) if backup else None,
        "safety_refused": known.refused.get(name) if name else None,
        "policies": tuple(_policies(cache, namespace, resolved.database.to_dict())),
    }


def _safety_view(cache: Cache, backup: Backup, target: dict[str, Any]) -> SafetyView:
    policy = cache.policy(backup.namespace, backup.policy_name) if backup.policy_name else None
    return SafetyView(
        restore=backup.restore,
        ended=backup.phase.has_ended,
        good=backup.good,
        deleting=backup.deleting,
        completed=backup.completed_at,
        failed_for=backup.failed_for,
        of_target=backup.database == identity({"database": target}),
        created=backup.created,
        waits=backup.waits,
        policy_gone=backup.policy_name if backup.waits and (policy is None or policy.deleted) else None,
    )


def _policies(cache: Cache, namespace: str, database: dict[str, Any]) -> Iterator[tuple[str, BackupPolicySpec]]:
    """Return those that can be read: another one could take no backup."""
    for each in restores.policies_of(cache, namespace, database):
        with suppress(ValidationError):
            yield each.name, BackupPolicySpec.model_validate(each.spec)


_NO_SPEC = DatabaseRestoreSpec(source=RestoreSource())


def _seen(
    cache: Cache,
    resource: Resource,
    spec: DatabaseRestoreSpec,
    status: DatabaseRestoreStatus,
    known: Known,
    now: datetime,
) -> Observation:
    names = {
        CHECK: status.impact.job_name if status.impact else None,
        RESTORE: status.job_name,
        REMOVAL: status.removal.job_name if status.removal else None,
    }
    view = RestoreView(
        namespace=resource.namespace,
        name=resource.name,
        uid=resource.uid,
        generation=resource.generation,
        created=resource.created,
        deleting=resource.deleted is not None,
        spec=spec,
        status=status,
    )
    return Observation(
        restore=view,
        works={
            role: work(cache, view.namespace, name, known.refused.get(role), now)
            for role, name in names.items()
            if name
        },
        asked=Asked(known.pods_listed, cache.refusals.read(view.namespace)),
        claim=known.claim,
    )


def _policy(cache: Cache, namespace: str, spec: DatabaseRestoreSpec) -> BackupPolicySpec | None:
    reference = spec.target.policy_ref if spec.target else None
    policy = cache.policy(namespace, reference.name) if reference else None
    return BackupPolicySpec.model_validate(policy.spec) if policy and not policy.deleted else None


def _source_policy(cache: Cache, namespace: str, spec: DatabaseRestoreSpec) -> Resource | None:
    return cache.policy(namespace, spec.source.policy_ref.name) if spec.source.policy_ref else None


def _candidates(cache: Cache, namespace: str, spec: DatabaseRestoreSpec) -> Iterator[Candidate]:
    source = spec.source
    if source.policy_ref is not None:
        yield from map(_candidate, cache.backups_of(namespace, source.policy_ref.name))
    elif source.backup_ref is not None and (named := cache.backup(namespace, source.backup_ref.name)):
        yield _candidate(named)


def _candidate(backup: Backup) -> Candidate:
    return Candidate(
        name=backup.name,
        ended=backup.phase.has_ended,
        good=backup.good,
        suspicious=backup.fact.suspicious,
        deleting=backup.deleting,
        completed=backup.completed_at,
        backup_id=backup.backup_id,
        purpose=backup.purpose,
    )


def _found(known: Known) -> Found | None:
    """Read the backup that was asked for whole."""
    if known.source is None:
        return None
    meta, status = mapping(known.source.get("metadata")), mapping(known.source.get("status"))
    if not meta:
        return Found()
    name = word(meta.get("name"))
    if not is_good(status):
        return Found(wrong=f"DatabaseBackup {name} has no data that can be restored: it failed, or its data is gone")
    try:
        read = DatabaseBackupStatus.model_validate(status)
    except ValidationError as error:
        message, _ = explained(error, DatabaseBackupStatus, "its status", "")
        return Found(wrong=f"DatabaseBackup {name} cannot be read: {message}")
    return Found(uid=needed(meta, "uid"), created=moment(meta.get("creationTimestamp")), status=read)


def _former(cache: Cache, namespace: str, spec: DatabaseRestoreSpec) -> Former | None:
    reference = spec.source.replaced_by
    former = cache.whole(RESTORES, namespace, reference.name) if reference else None
    return Former(former.uid, as_far_as_readable(DatabaseRestoreStatus, former.status)) if former else None


def _source_name(o: Observation, now: datetime) -> str | None:
    """Return the name of the backup that is asked for whole: the chosen one."""
    if o.restore.status.resolved is not None or not o.candidates:
        return None
    chosen = steps.choice(o, now)
    return chosen.name if chosen else None


def _claim_name(o: Observation) -> str | None:
    resolved = o.restore.status.resolved
    return resolved.database.volume.claim_name if resolved and resolved.database.volume else None


def _owner(o: Observation) -> jobs.Owner:
    return jobs.Owner(naming.RESTORE_KIND, o.restore.namespace, o.restore.name, o.restore.uid, None)


def _job(role: str, o: Observation, settings: Settings) -> dict[str, Any]:
    """Build the Job of a role. Raises HoldfastError(ImageNotSet)."""
    status = o.restore.status
    resolved = there(status.resolved, "resolved")
    _, image = snapshots.image(resolved, settings)
    runner = jobs.Runner(image, settings.image_pull_policy, settings.proxy, settings.own_user)
    source = there(status.source, "source")
    restore = restore_jobs.Restore(_owner(o), source, resolved, runner, claims.node(o.claim))
    if role == REMOVAL:
        removal = there(status.removal, "removal")
        return restore_jobs.drop_job(removal.job_name, restore, list(removal.names))
    if role == CHECK:
        return restore_jobs.check_job(there(status.impact, "impact").job_name, restore, impact.template(resolved))
    return restore_jobs.restore_job(there(status.job_name, "jobName"), restore, steps.template(o))


def _child(act: MakeBackup, o: Observation, settings: Settings) -> dict[str, Any]:
    """Build the backup that goes before the restore."""
    made, view = safety.spec(o, settings), o.restore
    return children.before_restore(view.namespace, act.name, view.name, view.uid, made.policy, made.given, made.days)


def _concerned(cache: Cache, resource: Resource) -> Iterable[Key]:
    """Return the restores that may have waited for this one, and the one that it has undone."""
    return (Key(RESTORES.kind, *name) for name in restores.waiting_for(cache, resource))
