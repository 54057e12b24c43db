"""What a decision about one DatabaseBackup sees, read from the cache in one go; nothing is asked of the API server."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Failure
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.unreadable import explained
from holdfast.decide.backup import ending
from holdfast.decide.backup.observation import BACKUP, CLEANUP, FORMER, VERIFY, BackupView, Observation
from holdfast.decide.backup.suspicion import Former, former_of, identity
from holdfast.decide.decision import Decision, Rest
from holdfast.decide.seen import Seen
from holdfast.decide.starting import latest
from holdfast.decide.views import ClaimView
from holdfast.errors import Reason
from holdfast.reconcile.backups import backup_view
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.resource import Resource
from holdfast.untrusted import mapping


@dataclass(frozen=True)
class Known:
    """What this reconcile has learnt beyond the cache."""

    refused: Mapping[str, str] = field(default_factory=dict)  # by role: why the API server refuses the Job
    pods_listed: bool = False
    claim: ClaimView | None = None


def job_names(resource: Resource, status: DatabaseBackupStatus) -> dict[str, str | None]:
    """Return the names of a backup's Jobs, by role, as its status has fixed them."""
    attempt, cleanup, run = status.attempt or 1, status.cleanup, status.verification_run
    return {
        BACKUP: status.job_name,
        FORMER: naming.child_name(resource.name, resource.uid, "backup", attempt - 1) if attempt > 1 else None,
        CLEANUP: cleanup.job_name if cleanup else None,
        VERIFY: run.job_name if run else None,
    }


@dataclass(frozen=True)
class _TakenIDs:
    """The ids of a namespace's backups: those in the cache, and those on their way into a status."""

    cache: Cache
    namespace: str
    claimed: AbstractSet[str]

    def __contains__(self, identifier: object) -> bool:
        return identifier in self.claimed or bool(self.cache.backups.find(("id", self.namespace, identifier)))


def observe(
    cache: Cache, resource: Resource, known: Known, claimed: AbstractSet[str], now: datetime
) -> tuple[Observation, Decision | None]:
    """Read everything; a spec that cannot be read is a decision of its own."""
    try:
        status = DatabaseBackupStatus.model_validate(resource.status)
        spec, policy = DatabaseBackupSpec.model_validate(resource.spec), _policy(cache, resource)
    except ValidationError as error:
        view = backup_view(resource, DatabaseBackupSpec(), _as_far_as_it_is_one(resource.status))
        return _unreadable(_seen(cache, resource, view, known, now), resource, error, now)
    seen = replace(_seen(cache, resource, backup_view(resource, spec, status), known, now), policy=policy)
    if status.backup_id:
        first = _first_known(cache, resource) if seen.job is None else None
        return replace(seen, former=_former(cache, resource, seen), first_known=first), None
    taken = _TakenIDs(cache, resource.namespace, claimed)
    return replace(seen, taken_ids=taken, known_major=_known_major(cache, resource, spec.policy or policy)), None


def _seen(cache: Cache, resource: Resource, view: BackupView, known: Known, now: datetime) -> Observation:
    """Read what there is of the backup's Jobs, by the names in its status."""
    names = job_names(resource, view.status).items()
    return Observation(
        backup=view,
        works={role: _work(cache, view.namespace, name, known.refused.get(role), now) for role, name in names if name},
        pods_listed=known.pods_listed,
        refusals_read=cache.refusals.read(view.namespace),
        claim=known.claim,
        verify_request=resource.verify_request,
    )


def _work(cache: Cache, namespace: str, name: str, refused: str | None, now: datetime) -> Seen:
    """Read one Job and its Pods, and why it has none."""
    job, pods = cache.job(namespace, name), tuple(cache.pods_named(namespace, name))
    told = latest(cache.refusals_of(job), now) if job else None
    return Seen(name, job, pods, told.message if told else refused, told.seen if told else None)


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


def _unreadable(
    seen: Observation, resource: Resource, error: ValidationError, now: datetime
) -> tuple[Observation, Decision | None]:
    """Let rest what has ended, end what has failed, and let the rest fail, with the name of what cannot be read."""
    status = seen.backup.status
    if status.phase and status.phase.has_ended:
        return seen, Rest()
    return seen, None if status.ending else ending.fail(seen, _what_is_wrong(resource, error), None, now)


def _what_is_wrong(resource: Resource, error: ValidationError) -> Failure:
    """Say which of the three objects that a backup is made of cannot be read: pydantic names its model."""
    root, correct = "spec", "create another backup, with what is allowed there: this one cannot change"
    model: type[BaseModel] = DatabaseBackupSpec
    if error.title == BackupPolicySpec.__name__:
        root, correct = f"BackupPolicy {resource.policy_name}: spec", "correct the policy, and create another backup"
        model = BackupPolicySpec
    if error.title == DatabaseBackupStatus.__name__:
        root, correct = "status", "another release has written it: create another backup"
        model = DatabaseBackupStatus
    message, remedy = explained(error, model, root, correct)
    return Failure(reason=Reason.INVALID_SPEC, message=message, remedy=remedy)


def _as_far_as_it_is_one(body: Mapping[str, Any]) -> DatabaseBackupStatus:
    """Read a status without the fields that cannot be read."""
    try:
        return DatabaseBackupStatus.model_validate(body)
    except ValidationError as error:
        wrong = {problem["loc"][0] for problem in error.errors(include_input=False, include_url=False)}
        return DatabaseBackupStatus.model_validate({key: value for key, value in body.items() if key not in wrong})
