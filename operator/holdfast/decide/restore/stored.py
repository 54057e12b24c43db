"""What is fixed of a restore's source, whatever it is restored into: which backup it is, and where that lies. Pure."""

import re
from dataclasses import dataclass

from holdfast.api.begun import Begun
from holdfast.api.policy import Environment
from holdfast.api.release import ReleaseBefore
from holdfast.api.restore_source import BucketSource
from holdfast.api.restore_status import Artifact, Chosen, ResolvedRestore
from holdfast.api.storage import S3Storage, Storage
from holdfast.decide.restore.source import Choice

_BACKUP_ID = re.compile(r"[a-z0-9]([-a-z0-9]{0,126}[a-z0-9])?")


@dataclass(frozen=True)
class Fixed:
    """What stands in the status from then on."""

    source: Chosen
    target: str
    resolved: ResolvedRestore


@dataclass(frozen=True)
class Stored:
    """Where a backup lies, and what is known of it."""

    s3: S3Storage
    folder: str
    artifact: Artifact | None
    server_major: int | None
    environment: Environment | None  # of the database that was backed up


def of_backup(choice: Choice, begun: Begun) -> Chosen:
    """Name a backup that the cluster knows."""
    return Chosen(
        backup=choice.name,
        uid=begun.uid,
        backup_id=begun.backup_id,
        location=begun.location,
        completed_at=begun.status.completed_at,
        because=choice.because,
        release=_release(begun),
    )


def in_bucket(storage: Storage, bucket: BucketSource) -> Stored:
    """Return where a folder lies, of which nothing else is known."""
    return Stored(storage.s3, _folder(bucket), None, None, None)


def of_folder(storage: Storage, bucket: BucketSource) -> Chosen:
    """Name a backup by its folder."""
    last = _folder(bucket).rstrip("/").rpartition("/")[2]
    return Chosen(
        backup_id=last if _BACKUP_ID.fullmatch(last) else None,
        location=f"s3://{storage.s3.bucket}/{_folder(bucket)}",
        because="the resource names this folder",
    )


def _folder(bucket: BucketSource) -> str:
    return bucket.folder.rstrip("/") + "/"


def _release(begun: Begun) -> ReleaseBefore | None:
    """Take over before which release it was taken; what has become of that one's migration is not the restore's."""
    noted = begun.status.release
    if noted is None:
        return None
    return ReleaseBefore(job_name=noted.job_name, job_uid=noted.job_uid, images=noted.images, revision=noted.revision)
