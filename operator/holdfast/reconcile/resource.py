"""A resource of ours as the API server gave it: spec and status unchecked, and the little else that is decided by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from holdfast import clock, naming
from holdfast.untrusted import mapping, moment, needed, number, sentence, word, words

Body = Mapping[str, Any]
_MAX_REQUEST = 256  # characters of an annotation; more than a request may have
_MAX_HASH = 64  # characters
_MAX_FINALIZERS = 1024  # looked at


@dataclass(frozen=True, slots=True)
class Resource:
    """A DatabaseBackup or a BackupPolicy: spec and status as the API gave them, unchecked."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    created: datetime
    deleted: datetime | None
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    verify_request: str | None
    backup_request: str | None
    approved: str | None  # the hash of the plan that may be carried out
    held: bool  # our finalizer is on it

    @classmethod
    def of(cls, body: Body) -> Self:
        """Read one of our resources; labels, managedFields and all annotations but three are dropped."""
        meta = mapping(body.get("metadata"))
        created = moment(meta.get("creationTimestamp")) or clock.EPOCH
        deleted = (moment(meta["deletionTimestamp"]) or created) if "deletionTimestamp" in meta else None
        annotations = mapping(meta.get("annotations"))
        return cls(
            namespace=needed(meta, "namespace"),
            name=needed(meta, "name"),
            uid=needed(meta, "uid"),
            resource_version=word(meta.get("resourceVersion")) or "0",
            generation=number(meta.get("generation")),
            created=created,
            deleted=deleted,
            spec=mapping(body.get("spec")),
            status=mapping(body.get("status")),
            verify_request=sentence(annotations.get(naming.ANNOTATION_VERIFY), _MAX_REQUEST) or None,
            backup_request=sentence(annotations.get(naming.ANNOTATION_BACKUP_NOW), _MAX_REQUEST) or None,
            approved=word(annotations.get(naming.ANNOTATION_APPROVE), _MAX_HASH) or None,
            held=naming.FINALIZER in words(meta.get("finalizers"), _MAX_FINALIZERS),
        )

    @property
    def policy_name(self) -> str | None:
        """The policy that a backup refers to; None where it is complete in itself."""
        return word(mapping(self.spec.get("policyRef")).get("name")) or None

    @property
    def restores(self) -> str | None:
        """The backup that a restore names; None where it names none."""
        return word(mapping(mapping(self.spec.get("source")).get("backupRef")).get("name")) or None
