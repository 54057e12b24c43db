"""The DatabaseRestore that is made when a migration Job has failed: its own backup comes back. Pure.

Nothing owns it: it outlives the Job, which a pipeline may delete at any moment.
"""

from dataclasses import dataclass
from typing import Any

from holdfast import naming
from holdfast.api.restoring import RestoreMode
from holdfast.sentences import shorten

_MAX_REASON = 512  # characters, as the resource allows


@dataclass(frozen=True)
class Failed:
    """The Job that has failed; `confirm` is the database that it has named, if it has."""

    name: str
    uid: str
    confirm: str | None


def resource(namespace: str, name: str, backup: str, policy: str, job: Failed) -> dict[str, Any]:
    """Return it; confirmed where the Job has named the database before, which may be of production."""
    labels = {
        naming.MANAGED_BY: naming.MANAGER,
        naming.LABEL_POLICY: naming.label_value(policy),
        naming.LABEL_MIGRATION: naming.label_value(job.name),
        naming.LABEL_MIGRATION_UID: job.uid,
    }
    spec: dict[str, Any] = {"source": {"backupRef": {"name": backup}}, "mode": RestoreMode.REPLACE.value}
    if job.confirm is not None:
        reason = (
            f"Job {job.name} has failed, and asked for it: {naming.ANNOTATION_ON_FAILURE}, with the name of the "
            f"database in {naming.ANNOTATION_CONFIRM}"
        )
        spec |= {"confirm": job.confirm, "unattended": {"reason": shorten(reason, _MAX_REASON)}}
    return {
        "apiVersion": naming.API_VERSION,
        "kind": naming.RESTORE_KIND,
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": spec,
    }
