"""How a restore is undone: one resource, whose YAML stands in its status. Pure."""

import yaml

from holdfast import naming


def resource(namespace: str, name: str) -> str:
    """Write the DatabaseRestore that puts back what this one replaced."""
    body = {
        "apiVersion": naming.API_VERSION,
        "kind": naming.RESTORE_KIND,
        "metadata": {"name": naming.undo_name(name), "namespace": namespace},
        "spec": {"source": {"replacedBy": {"name": name}}},
    }
    return yaml.safe_dump(body, sort_keys=False)
