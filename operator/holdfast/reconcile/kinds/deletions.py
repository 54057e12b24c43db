"""What a policy deletes, as policy and backup see it: the page in the policy's status, and the Job that deletes it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Phase
from holdfast.api.begun import Begun, there
from holdfast.api.deletion import DeletionPage
from holdfast.api.job import JobTemplate
from holdfast.contract.task import MustStay
from holdfast.decide import failures
from holdfast.decide.backup.observation import BackupView, Removal
from holdfast.decide.policy.sweep import SWEEP, Candidate, Retention
from holdfast.decide.resolve import no_image
from holdfast.decide.seen import NOTHING, Asked
from holdfast.errors import HoldfastError
from holdfast.kube.kinds import BACKUPS
from holdfast.manifests import jobs, methods, tasks
from holdfast.reconcile.backups import Backup, backup_view
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds.backup_jobs import owner, runner
from holdfast.reconcile.kinds.works import work
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Sources
from holdfast.untrusted import mapping


def page_of(status: Mapping[str, Any]) -> DeletionPage | None:
    """Return the page that is under way; None where there is none, or none that can be read."""
    page = mapping(status.get("retention")).get("page")
    try:
        return DeletionPage.model_validate(page) if page is not None else None
    except ValidationError:
        return None


def removal(cache: Cache, backup: Backup) -> Removal | None:
    """Return what its policy's page says of a backup."""
    policy = cache.policy(backup.namespace, backup.policy_name) if backup.policy_name else None
    page = page_of(policy.status) if policy else None
    if page is None:
        return None
    member = next((each for each in page.members if each.uid == backup.uid), None)
    return Removal(member, page.job_name, backup.made, kept=False) if member else None


def observe(sources: Sources, policy: Resource, backups: Iterable[Backup], known: Known, now: datetime) -> Retention:
    """Read what is planned, and how the page stands."""
    cache, page = sources.cache, page_of(policy.status)
    begun = next((known for _, known in _begun(backups, page)), None) if page else None
    error = no_image(begun.resolved, sources.settings) if begun else None
    seen = work(cache, policy.namespace, page.job_name, known.refused.get(SWEEP), now) if page else NOTHING
    return Retention(
        plans=sources.plans.of(policy.namespace, policy.name).plans,
        backups={backup.uid: _candidate(backup, asked=seen.job is None) for backup in backups},
        work=seen,
        asked=Asked(known.pods_listed, cache.refusals.read(policy.namespace)),
        template=begun.resolved.job if begun else JobTemplate(),
        refused=known.refused,
        hindrance=failures.failure_of(error) if error else None,
    )


def _candidate(backup: Backup, *, asked: bool) -> Candidate:
    """Return one; `asked`: whether it can be read is asked, which costs something, before the Job is made."""
    lacks = asked and backup.phase is Phase.DELETING and _readable(backup) is None
    return Candidate(
        name=backup.name,
        uid=backup.uid,
        phase=backup.phase,
        has_data=backup.has_data,
        made=backup.made,
        going=backup.deleting,
        pinned=backup.fact.pinned,
        store=backup.store,
        told=backup.told,
        lacks=lacks,
        held=backup.held,
    )


def _members(backups: Iterable[Backup], page: DeletionPage) -> Iterator[Backup]:
    """Yield the backups of a page that are there, in its order."""
    found = {backup.uid: backup for backup in backups}
    yield from (found[member.uid] for member in page.members if member.uid in found)


def _begun(backups: Iterable[Backup], page: DeletionPage) -> Iterator[tuple[BackupView, Begun]]:
    """Yield what is known of the page's backups: whole objects, as none of them has settled while it is deleted."""
    for backup in _members(backups, page):
        if (known := _readable(backup)) is not None:
            yield known


def _readable(backup: Backup) -> tuple[BackupView, Begun] | None:
    """Read a backup that is being deleted; None where it is not, or its status does not say where its data is."""
    resource = backup.whole
    if resource is None:  # it has settled
        return None
    try:
        status = DatabaseBackupStatus.model_validate(resource.status)
        view = backup_view(resource, DatabaseBackupSpec.model_validate(resource.spec), status)
        begun = view.begun
    except (ValidationError, HoldfastError):
        return None
    return view, begun


def job(sources: Sources, policy: Resource, backups: Sequence[Backup], page: DeletionPage | None) -> dict[str, Any]:
    """Build the Job that deletes the page. Raises HoldfastError(ImageNotSet)."""
    page = there(page, "retention.page")
    begun = list(_begun(backups, page))
    if len(begun) != len(page.members):  # the report tells of each by its place
        raise RuntimeError(f"{len(page.members) - len(begun)} backups of the page cannot be read")
    items = [tasks.deletion_item(owner(backup), each) for backup, each in begun]
    first, known = begun[0]
    settings = sources.settings
    work = methods.of(owner(first), known).deletion(items, _stays(sources, policy, backups, first.uid))
    whose = jobs.Owner(naming.POLICY_KIND, policy.namespace, policy.name, policy.uid, policy.name)
    template, image = known.resolved.job, runner(known, settings)
    return jobs.deletion_job(page.job_name, whose, None, page.number, work, template, image)


def _stays(sources: Sources, policy: Resource, backups: Iterable[Backup], uid: str) -> list[MustStay]:
    """Return the newest good backup of the same database that is kept, where the same Job can look for it."""
    first = next(backup for backup in backups if backup.uid == uid)
    verdicts = sources.plans.of(policy.namespace, policy.name).verdicts
    kept = [
        backup for backup in backups
        if backup.good and backup.phase is Phase.SUCCEEDED and backup.store == first.store
        and backup.database == first.database and backup.uid in verdicts and verdicts[backup.uid].keep
    ]  # fmt: skip
    newest = max(kept, key=lambda backup: backup.completed_at or clock.EPOCH, default=None)
    return (
        [MustStay(uid=newest.uid, key_prefix=newest.location.partition("://")[2].partition("/")[2])] if newest else []
    )


def wakes(sources: Sources, backups: Iterable[Backup], page: DeletionPage | None) -> Iterator[Key]:
    """Yield the backups that are to look again: those of the page, and those that what is planned now concerns."""
    members = {member.uid for member in page.members} if page else set()
    for backup in backups:
        if backup.uid in members or sources.plans.concerns(backup):
            yield Key(BACKUPS.kind, backup.namespace, backup.name)
