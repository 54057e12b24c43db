"""What `status.restore` says of a dump: a DatabaseRestore, as YAML, to apply as it stands or with another target."""

import yaml

from holdfast import naming
from holdfast.manifests.jobs import Owner

_HEAD = """\
# Restores {what}: into the database that was backed up, if it is empty.
# mode: Replace puts it in the place of the old database; target: names another database.
"""


def resource(owner: Owner, backup_id: str) -> str:
    """Write it. Its comments hold nothing but the backup's id."""
    body = {
        "apiVersion": naming.API_VERSION,
        "kind": naming.RESTORE_KIND,
        "metadata": {"name": naming.restore_name(owner.name), "namespace": owner.namespace},
        "spec": {"source": {"backupRef": {"name": owner.name}}},
    }
    return _HEAD.format(what=backup_id) + yaml.safe_dump(body, sort_keys=False)
