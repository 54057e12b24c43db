"""What decisions see of a migration Job: one that somebody else has made, and asks to be held until there is a backup.

Anyone who may create a Job may write anything into it: each fact is read as `untrusted`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holdfast import clock, naming
from holdfast.api.guard import MAX_CONFIRM
from holdfast.api.release import MAX_IMAGE, MAX_IMAGES, MAX_REVISION
from holdfast.sentences import shorten
from holdfast.texts import plain
from holdfast.untrusted import mapping, mappings, moment, needed, word

ROLLBACK = "rollback"  # the annotation's value
_MAX_REQUEST = 256  # characters of the annotation


@dataclass(frozen=True, slots=True)
class MigrationJob:
    """A Job with the label `holdfast.dev/backup-first`."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    created: datetime
    policy: str  # as its label says; no policy need be called so
    suspended: bool
    complete: bool
    failed: bool
    deleting: bool
    request: str = ""  # the annotation's value that asks for another backup
    images: tuple[str, ...] = ()
    revision: str | None = None
    on_failure: str = ""  # the annotation's value that says what is to be done where it fails
    confirm: str | None = None  # the database of production that may be restored into without asking anybody

    @property
    def finished(self) -> bool:
        """Whether it has ended, either way."""
        return self.complete or self.failed

    @property
    def rolls_back(self) -> bool:
        """Whether its backup is to be restored where it fails."""
        return self.on_failure == ROLLBACK

    @property
    def held(self) -> bool:
        """Whether it waits, and may still be let go."""
        return self.suspended and not self.finished and not self.deleting

    @property
    def backup_name(self) -> str:
        """The name of the backup that it waits for: the same for the same Job, policy and request."""
        return naming.migration_backup_name(self.name, self.uid, self.policy, self.request)

    @property
    def rollback_name(self) -> str:
        """The name of the DatabaseRestore that is made where it fails: one for each Job."""
        return naming.rollback_name(self.name, self.uid)


def migration_job(body: Mapping[str, Any]) -> MigrationJob:
    """Take the facts from a `batch/v1` Job. Raises Unreadable where it has no name."""
    meta, spec, status = (mapping(body.get(field)) for field in ("metadata", "spec", "status"))
    annotations = mapping(meta.get("annotations"))
    ended = {each.get("type") for each in mappings(status.get("conditions")) if each.get("status") == "True"}
    return MigrationJob(
        namespace=needed(meta, "namespace"),
        name=needed(meta, "name"),
        uid=needed(meta, "uid"),
        resource_version=word(meta.get("resourceVersion")) or "0",
        created=moment(meta.get("creationTimestamp")) or clock.EPOCH,
        policy=word(mapping(meta.get("labels")).get(naming.LABEL_BACKUP_FIRST)),
        suspended=spec.get("suspend") is True,
        complete="Complete" in ended,
        failed="Failed" in ended,
        deleting="deletionTimestamp" in meta,
        request=_text(annotations.get(naming.ANNOTATION_BACKUP_NOW), _MAX_REQUEST),
        images=tuple(_images(mapping(mapping(spec.get("template")).get("spec")))),
        revision=_text(annotations.get(naming.ANNOTATION_REVISION), MAX_REVISION) or None,
        on_failure=_text(annotations.get(naming.ANNOTATION_ON_FAILURE), _MAX_REQUEST),
        confirm=_confirm(annotations.get(naming.ANNOTATION_CONFIRM)),
    )


def _images(pod: Mapping[str, Any]) -> Iterator[str]:
    """Yield the images of its containers, each once, those that migrate first."""
    all_of_them = (*mappings(pod.get("containers")), *mappings(pod.get("initContainers")))
    images = (_text(each.get("image"), MAX_IMAGE) for each in all_of_them)
    yield from list(dict.fromkeys(filter(None, images)))[:MAX_IMAGES]


def _confirm(value: object) -> str | None:
    """Return the name that is repeated, if a restore may repeat it: one that was cut would be another one's."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_CONFIRM else None


def _text(value: object, most: int) -> str:
    """Return a text as a person is shown it: cut before anything else is done with it, and after that."""
    return shorten(plain(value[: most + 1]), most) if isinstance(value, str) else ""
