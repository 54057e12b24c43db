"""A DatabaseBackup: what a decision about it sees, read from the cache in one go, and whom to ask what to do.

Nothing is asked of the API server here, and nothing is decided.
"""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Phase
from holdfast.api.begun import Begun
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.unreadable import as_far_as_readable
from holdfast.decide.backup import parting, refusals, statuses, unreadable
from holdfast.decide.backup.observation import (
    BACKUP,
    CLEANUP,
    DELETION,
    FORMER,
    VERIFY,
    BackupView,
    Decision,
    Observation,
)
from holdfast.decide.backup.steps import decide
from holdfast.decide.backup.suspicion import Former, former_of, identity
from holdfast.decide.decision import Write
from holdfast.decide.migrations import MigrationJob
from holdfast.decide.retention.plan import Verdict
from holdfast.decide.seen import Asked
from holdfast.kube.errors import Unavailable
from holdfast.kube.kinds import BACKUPS
from holdfast.manifests import methods
from holdfast.reconcile import rollbacks
from holdfast.reconcile.backups import backup_view
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import deletions
from holdfast.reconcile.kinds.backup_jobs import BUILDERS, owner
from holdfast.reconcile.kinds.works import work
from holdfast.reconcile.plans import kept_because
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Row, Sight, Sources
from holdfast.untrusted import mapping


def look(sources: Sources, resource: Resource, known: Known, now: datetime) -> Sight:
    """Observe one, and ask what to do."""
    claimed = {patch.get("backupID") for patch in sources.writer.under_way(BACKUPS, resource.namespace)}
    o, not_read = observe(sources.cache, resource, known, claimed, now)
    o = _with_plan(sources, o)
    o = _with_room(sources, o, known)
    if not_read and o.backup.deleting and o.backup.held:
        not_read = parting.unreadable(o, sources.settings, now)
    decision = not_read or _decided(sources, o, _verdict(sources, resource), now)
    _claim(sources.cache, o, decision)
    due = min(filter(None, (decision.due, refusals.look_again(o))), default=None)
    resolved = o.backup.status.resolved
    volume = resolved.database.volume if resolved else None
    return Sight(
        o.backup.namespace,
        replace(decision, due=due),
        works=o.works,
        job_of=lambda role: BUILDERS[role](o, sources.settings),
        claim_name=volume.claim_name if volume else None,
    )


def _decided(sources: Sources, o: Observation, verdict: Verdict | None, now: datetime) -> Decision:
    """Ask what to do about one that can be read: what is written else of a good one would lose what cannot be."""
    decision = refusals.look(o, now) or decide(o, sources.settings, now)
    return _with_verdict(o, _with_restore(o, decision), verdict)


def _with_room(sources: Sources, o: Observation, known: Known) -> Observation:
    """Say whether there can be a Job that deletes what somebody has deleted the resource of."""
    closed = known.terminating or (known.unauthorized and bool(sources.settings.watch_namespaces))
    return replace(o, closed=closed, crowded=sources.cache.outliving() >= sources.settings.deletion.max_running)


def is_wanted(sources: Sources, namespace: str, name: str) -> bool:
    """Whether one that has settled has a Job to be tidied up, is to say something else of its end, or is to go."""
    backup = sources.cache.backup(namespace, name)
    if backup is None:
        return False
    wanted = sources.cache.has_untidied_jobs(backup) or sources.plans.concerns(backup)
    wanted = wanted or sources.cache.has_news_of_its_migration(backup)
    return wanted or deletions.removal(sources.cache, backup) is not None


def stumbled(sources: Sources, namespace: str, name: str, error: Exception) -> list[Key]:
    """Have others pass one in the queue that could not be got on with, and return who may begin now."""
    sources.cache.line.stumbled(namespace, name, sure=not isinstance(error, Unavailable))
    return [Key(BACKUPS.kind, *each) for each in sources.cache.line.next_up()]


ROW = Row(BACKUPS, look, is_wanted, stumbled)


def _with_plan(sources: Sources, o: Observation) -> Observation:
    """Say what the plan as it is now makes of it: whether it is to be looked for, and whether it may go."""
    held = sources.cache.backup(o.backup.namespace, o.backup.name)
    if held is None:
        return o
    removal = replace(o.removal, kept=sources.plans.keeps(held)) if o.removal else None
    return replace(o, removal=removal, sought=sources.plans.looks_for(held))


def _claim(cache: Cache, o: Observation, decision: Decision) -> None:
    """Have a backup's place taken from now on that begins with what is about to be written."""
    status, held = decision.status, cache.backup(o.backup.namespace, o.backup.name)
    if o.backup.status.backup_id is None and status is not None and status.backup_id is not None and held is not None:
        cache.line.begins(held)


def _with_restore(o: Observation, decision: Decision) -> Decision:
    """Have what restores a backup written with its success."""
    status = decision.status or o.backup.status
    if status.phase is not Phase.SUCCEEDED or status.restore is not None or status.job_name is None:
        return decision
    begun = Begun.of(o.backup.uid, o.backup.created, status)
    back = methods.of(owner(o.backup), begun).way_back()
    return Write(status.model_copy(update={"restore": back}), decision.announcement)


def _verdict(sources: Sources, resource: Resource) -> Verdict | None:
    backup = sources.cache.backup(resource.namespace, resource.name)
    return sources.plans.verdict(backup) if backup is not None else None


def _with_verdict(o: Observation, decision: Decision, verdict: Verdict | None) -> Decision:
    """Have it written why a good backup is kept, and until when: with what else there is to write, before any act."""
    status = decision.status or o.backup.status
    if verdict is None or status.phase is not Phase.SUCCEEDED:
        return decision
    said = statuses.kept(status, kept_because(verdict), verdict.expires)
    return decision if said == status else Write(said, decision.announcement, decision.due)


def job_names(resource: Resource, status: DatabaseBackupStatus) -> dict[str, str | None]:
    """Return the names of a backup's Jobs, by role, as its status has fixed them."""
    attempt, cleanup, run = status.attempt or 1, status.cleanup, status.verification_run
    return {
        BACKUP: status.job_name,
        FORMER: naming.child_name(resource.name, resource.uid, "backup", attempt - 1) if attempt > 1 else None,
        CLEANUP: cleanup.job_name if cleanup else None,
        VERIFY: run.job_name if run else None,
        DELETION: status.deletion.job_name if status.deletion and status.deletion.attempt else None,
    }


@dataclass(frozen=True)
class _TakenIDs:
    """The ids of a namespace's backups: those in the cache, and those on their way into a status."""

    cache: Cache
    namespace: str
    claimed: Container[object]

    def __contains__(self, identifier: object) -> bool:
        return identifier in self.claimed or bool(self.cache.backups.find(("id", self.namespace, identifier)))


def observe(
    cache: Cache, resource: Resource, known: Known, claimed: Container[object], now: datetime
) -> tuple[Observation, Decision | None]:
    """Read everything; what cannot be read is a decision of its own."""
    try:
        status = DatabaseBackupStatus.model_validate(resource.status)
        spec, policy = DatabaseBackupSpec.model_validate(resource.spec), _policy(cache, resource)
    except ValidationError as error:
        view = backup_view(resource, DatabaseBackupSpec(), as_far_as_readable(DatabaseBackupStatus, resource.status))
        seen = _seen(cache, resource, view, known, now)
        return seen, unreadable.decide(seen, resource.policy_name, error, now)
    seen = replace(_seen(cache, resource, backup_view(resource, spec, status), known, now), policy=policy)
    held = cache.backup(resource.namespace, resource.name)
    seen = replace(seen, removal=deletions.removal(cache, held) if held else None, swept=_swept(cache, seen))
    if status.backup_id:
        first = _first_known(cache, resource) if seen.job is None else None
        return replace(seen, former=_former(cache, resource, seen), first_known=first), None
    taken = _TakenIDs(cache, resource.namespace, claimed)
    turn = cache.line.turn(resource.namespace, resource.name)
    major = _known_major(cache, resource, spec.policy or policy)
    return replace(seen, taken_ids=taken, turn=turn, known_major=major), None


def _swept(cache: Cache, seen: Observation) -> bool:
    """Whether the Job that a policy deleted the backup by is there, or one of its Pods: it may outlive the policy."""
    status, namespace = seen.backup.status, seen.backup.namespace
    name = status.deletion.job_name if status.phase is Phase.DELETING and status.deletion else None
    return name is not None and (cache.job(namespace, name) is not None or any(cache.pods_named(namespace, name)))


def _seen(cache: Cache, resource: Resource, view: BackupView, known: Known, now: datetime) -> Observation:
    """Read what there is of the backup's Jobs, by the names in its status."""
    names, job = job_names(resource, view.status).items(), _migration(cache, view)
    return Observation(
        backup=view,
        works={role: work(cache, view.namespace, name, known.refused.get(role), now) for role, name in names if name},
        asked=Asked(known.pods_listed, cache.refusals.read(view.namespace)),
        claim=known.claim,
        verify_request=resource.verify_request,
        maker=cache.maker,
        migration=job,
        rollback=rollbacks.made(cache, job, view.name),
    )


def _migration(cache: Cache, view: BackupView) -> MigrationJob | None:
    release = view.status.release
    return cache.migration_before(view.namespace, release.job_uid) if release else None


def _policy(cache: Cache, resource: Resource) -> BackupPolicySpec | None:
    policy = cache.policy(resource.namespace, resource.policy_name) if resource.policy_name else None
    return BackupPolicySpec.model_validate(policy.spec) if policy and not policy.deleted else None


def _first_known(cache: Cache, resource: Resource) -> datetime:
    """Return when the first backup was asked for, of those of its policy and its database that the cluster knows.

    A policy may have named another database before: its backups are compared with nothing of this one.
    """
    known = cache.backups_of(resource.namespace, resource.policy_name) if resource.policy_name else []
    database = identity(mapping(resource.status.get("resolved")))
    return min((each.created for each in known if each.database == database), default=resource.created)


def _former(cache: Cache, resource: Resource, o: Observation) -> tuple[Former, ...]:
    """Return what a backup that ends now is compared with; nothing before that, for it takes a look at them all."""
    status = o.backup.status
    ends = any(pod.terminated for pod in o.of(BACKUP).pods) and not (status.phase and status.phase.has_ended)
    if not (ends and status.resolved and resource.policy_name):
        return ()
    others = cache.backups_of(resource.namespace, resource.policy_name)
    formers = (other.former for other in others if other.former and other.uid != resource.uid)
    return former_of(formers, status.resolved)


def _known_major(cache: Cache, resource: Resource, policy: BackupPolicySpec | None) -> int | None:
    """Return the server's major version as the newest good backup of the same database in this namespace has it."""
    if policy is None:
        return None
    known = cache.good_backups_of(resource.namespace, policy.database.to_dict())
    newest = max(known, key=lambda backup: backup.completed_at or clock.EPOCH, default=None)
    return newest.server_major if newest else None
