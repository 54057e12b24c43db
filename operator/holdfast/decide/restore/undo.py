"""How a restore is undone: one resource, whose YAML stands in its status. Pure."""

from typing import Any

import yaml

from holdfast import naming
from holdfast.api.restoring import RestoreMode
from holdfast.decide.restore.observation import RestoreView


def resource(restore: RestoreView, replaced: bool) -> str | None:
    """Write the DatabaseRestore that puts back what was there; None where nothing of it is left.

    That is what was replaced; else the safety backup, which then replaces what is there.
    """
    safety = restore.status.safety_backup
    saved = safety.name if safety else None
    if replaced:
        told = f"# what was there is in DatabaseBackup {saved}, too\n" if saved else ""
        return told + _written(restore, {"source": {"replacedBy": {"name": restore.name}}})
    if saved is None:
        return None
    spec: dict[str, Any] = {"source": {"backupRef": {"name": saved}}, "mode": RestoreMode.REPLACE.value}
    if restore.spec.target is not None:
        spec["target"] = restore.spec.target.to_dict()
    return _written(restore, spec)


def _written(restore: RestoreView, spec: dict[str, Any]) -> str:
    meta = {"name": naming.undo_name(restore.name), "namespace": restore.namespace}
    body = {"apiVersion": naming.API_VERSION, "kind": naming.RESTORE_KIND, "metadata": meta, "spec": spec}
    return yaml.safe_dump(body, sort_keys=False)
