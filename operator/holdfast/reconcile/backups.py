"""What the cache keeps of a DatabaseBackup: a few typed facts of each, and the whole object of what has not settled.

A whole object takes some 20 kB, and ten thousand of them would not fit into the operator's memory. Others ask of a
backup only what stands here; what is to be done about it is decided on the whole object alone, which comes with every
event and is fetched where a settled one has a Job to tidy up after (docs/adr/0023).
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import ValidationError

from holdfast import naming
from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Phase, is_good
from holdfast.api.policy import Environment
from holdfast.decide.backup import settled
from holdfast.decide.backup.observation import BackupView
from holdfast.decide.backup.suspicion import Former, former_in, identity, is_suspicious
from holdfast.decide.retention.facts import Fact
from holdfast.decide.servers import server_of
from holdfast.decide.views import OwnerRef
from holdfast.reconcile.resource import Body, Resource
from holdfast.untrusted import fingerprint, mapping, moment, number, word, words

MOST_REASONS = 16  # for which one is kept
_MOST_LOCATION = 2048  # characters, as the resource allows


@dataclass(frozen=True, slots=True)
class Backup:
    """A DatabaseBackup, as others need it. Somebody else may have written its status: what makes no sense is absent."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    created: datetime
    deleting: bool
    policy_name: str | None
    made_by: str | None  # the uid of the policy that it says it was made by
    by_schedule: bool
    waits: bool  # it has not begun
    runs: bool  # it has begun, and has not ended: it has one of the places that there are
    started_at: datetime | None
    server: str | None  # that it burdens, while it runs or waits; None where its policy alone says so
    phase: Phase
    good: bool
    failed_for: str  # the reason, in one word
    backup_id: str | None
    completed_at: datetime | None
    size_bytes: int
    duration_seconds: float
    server_major: int
    database: str | None  # that it is of (`suspicion.identity`); None where it has not begun
    good_of: str | None  # the database that it is a good backup of, where it says which server's version that had
    made: bool  # by Holdfast, as its labels say
    has_data: bool  # in the store, as its status says
    location: str  # its folder
    store: str  # the fingerprint of what one Job can reach
    told: str | None  # the Job whose result it has recorded last
    kept_because: tuple[str, ...]
    expires_at: datetime | None
    fact: Fact  # what retention goes by
    former: Former | None  # what later ones are compared with; None where it is not good, or suspicious
    job_names: tuple[str, ...]  # of a settled one: what may still be there of it
    whole: Resource | None  # None: it has settled
    held: bool  # our finalizer is on it
    purpose: str  # what it was taken for; empty where that is nothing else
    restore: str  # the uid of the restore that it was taken before, as its labels say; empty where that is none
    migrates: str | None  # the uid of the migration Job that it was taken for
    released: bool  # that Job has been released, as its status says
    migrated: bool  # its status says until when that migration keeps it
    rolled_back: bool  # its status says that it is restored because that Job has failed

    @classmethod
    def of(cls, body: Body) -> Self:
        """Read one. Raises Unreadable where it has no name."""
        resource = Resource.of(body)
        status, names = resource.status, _job_names_if_settled(resource)
        former = former_in(status)
        good, major = is_good(status), number(status.get("serverMajor"))
        policy, took = resource.policy_name, status.get("durationSeconds")
        labels = mapping(mapping(body.get("metadata")).get("labels"))
        made_by = word(labels.get(naming.uid_label(naming.POLICY_KIND)))
        phase, backup_id = _phase(status), word(status.get("backupID")) or None
        under_way = not phase.has_ended and resource.deleted is None
        return cls(
            namespace=sys.intern(resource.namespace),
            name=resource.name,
            uid=resource.uid,
            resource_version=resource.resource_version,
            created=resource.created,
            deleting=resource.deleted is not None,
            policy_name=sys.intern(policy) if policy else None,
            made_by=sys.intern(made_by) or None,
            by_schedule=naming.LABEL_SLOT in labels,
            waits=under_way and backup_id is None,
            runs=under_way and backup_id is not None,
            started_at=moment(status.get("startedAt")) if under_way else None,
            server=_server(resource, backup_id is not None) if under_way else None,
            phase=phase,
            good=good,
            failed_for=sys.intern(word(mapping(status.get("failure")).get("reason"))),
            backup_id=backup_id,
            completed_at=moment(status.get("completedAt")),
            size_bytes=number(status.get("sizeBytes")),
            duration_seconds=took if isinstance(took, float) else number(took),
            server_major=major,
            database=_identity(status, former),
            good_of=_database(status) if good and major else None,
            made=bool(made_by),
            has_data=_has_data(status),
            location=word(status.get("location"), _MOST_LOCATION),
            store=sys.intern(_store(status)),
            told=_told(status),
            kept_because=tuple(map(sys.intern, words(status.get("keptBecause"), MOST_REASONS))),
            expires_at=moment(status.get("expiresAt")),
            fact=_fact(resource, status, good),
            former=former,
            job_names=names or (),
            whole=resource if names is None else None,
            held=resource.held,
            purpose=sys.intern(word(resource.spec.get("purpose"))),
            restore=word(labels.get(naming.uid_label(naming.RESTORE_KIND))),
            migrates=_migrates(resource.spec),
            released=moment(mapping(status.get("release")).get("releasedAt")) is not None,
            migrated=moment(mapping(status.get("release")).get("keptUntil")) is not None,
            rolled_back=bool(word(mapping(status.get("release")).get("rollback"))),
        )

    @property
    def ref(self) -> OwnerRef:
        """What its Jobs are its own by."""
        return OwnerRef(naming.BACKUP_KIND, self.uid)


def backup_view(resource: Resource, spec: DatabaseBackupSpec, status: DatabaseBackupStatus) -> BackupView:
    """Return what decisions see of it."""
    return BackupView(
        namespace=resource.namespace,
        name=resource.name,
        uid=resource.uid,
        generation=resource.generation,
        created=resource.created,
        deleting=resource.deleted is not None,
        spec=spec,
        status=status,
        deleted=resource.deleted,
        held=resource.held,
    )


def _job_names_if_settled(resource: Resource) -> tuple[str, ...] | None:
    """Return the names of its Jobs; None where it has not settled, or cannot be read, which is told elsewhere."""
    if not _phase(resource.status).is_final:
        return None  # without reading all of it: under way, it changes often
    try:
        spec = DatabaseBackupSpec.model_validate(resource.spec)
        status = DatabaseBackupStatus.model_validate(resource.status)
    except ValidationError:
        return None
    rests = settled.has_settled(backup_view(resource, spec, status), resource.verify_request)
    return settled.job_names(status) if rests else None


def _server(resource: Resource, begun: bool) -> str | None:
    """Return which server a backup burdens that has not ended: as was fixed, or as it says itself."""
    if begun:
        return server_of(resource.namespace, mapping(resource.status.get("resolved")))
    return server_of(resource.namespace, mapping(resource.spec["policy"])) if "policy" in resource.spec else None


def _has_data(status: Mapping[str, Any]) -> bool:
    """Whether something of it may be in the store: whatever was once a success, until its data is deleted."""
    stored = any(status.get(field) is not None for field in ("sha256", "snapshot"))
    located = all(word(status.get(field), _MOST_LOCATION) for field in ("backupID", "location"))
    return stored and located and "resolved" in status and _phase(status) is not Phase.EXPIRED


def _store(status: Mapping[str, Any]) -> str:
    """Return the fingerprint of what a Job needs to reach its data: of all that have the same, one Job reaches all."""
    resolved = mapping(status.get("resolved"))
    database, storage = mapping(resolved.get("database")), mapping(resolved.get("storage"))
    parts = [resolved.get("method"), database.get("engine"), database.get("instance"), storage.get("s3")]
    return fingerprint([*parts, resolved.get("job")])


def _told(status: Mapping[str, Any]) -> str | None:
    deletion = mapping(status.get("deletion"))
    return word(deletion.get("jobName")) or None if "result" in deletion else None


def _migrates(spec: Mapping[str, Any]) -> str | None:
    """Return the uid of the Job that it was taken for, as it says."""
    return word(mapping(spec.get("release")).get("jobUID")) or None


def _ended(status: Mapping[str, Any]) -> datetime | None:
    """Return when it was completed; of one that was found damaged, when that was found."""
    run = mapping(status.get("verificationRun"))
    found = moment(run.get("completedAt")) if run.get("state") == "Failed" and "failure" in status else None
    return found or moment(status.get("completedAt"))


def _fact(resource: Resource, status: Mapping[str, Any], good: bool) -> Fact:
    phase, spec = _phase(status), resource.spec
    migrated = moment(mapping(status.get("release")).get("keptUntil"))
    days, environment = spec.get("retentionDays"), word(mapping(status.get("resolved")).get("environment"))
    return Fact(
        name=resource.name,
        uid=resource.uid,
        backup_id=word(status.get("backupID")) or None,
        created=resource.created,
        completed=_ended(status),
        good=good and phase is Phase.SUCCEEDED,
        failed=phase is Phase.FAILED and not _has_data(status),
        damaged=phase is Phase.FAILED and _has_data(status),
        suspicious=is_suspicious(status),
        busy=not phase.is_final or resource.deleted is not None,
        expired=phase is Phase.EXPIRED,
        pinned=spec.get("pinned") is True,
        migrating=_migrates(spec) is not None and migrated is None,
        migrated_until=migrated,
        retention_days=number(days) if type(days) is int else None,
        size_bytes=number(status.get("sizeBytes")),
        locked_until=moment(status.get("lockedUntil")),
        looked=moment(mapping(status.get("verificationRun")).get("completedAt")),
        environment=Environment(environment) if environment in list(Environment) else None,
    )


def _phase(status: Mapping[str, Any]) -> Phase:
    """Return the phase; what is none reads as the one that each backup begins with."""
    phase = word(status.get("phase"))
    return Phase(phase) if phase in list(Phase) else Phase.PENDING


def _identity(status: Mapping[str, Any], former: Former | None) -> str | None:
    """Return which database it is of; a good one's has been worked out already."""
    if "resolved" not in status:
        return None
    return former.database if former else identity(mapping(status["resolved"]))


def _database(status: Mapping[str, Any]) -> str:
    return fingerprint(mapping(mapping(status.get("resolved")).get("database")))
