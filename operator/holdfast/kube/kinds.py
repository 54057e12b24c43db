"""The kinds that the operator reads or writes, each with what its URL needs. No models, no discovery."""

from dataclasses import dataclass

from holdfast import naming


@dataclass(frozen=True)
class Kind:
    """One kind of the API; all of ours are namespaced."""

    group: str
    version: str
    plural: str
    kind: str
    watched_as: str = ""  # where one kind is watched twice, by other labels: which of them this is

    @property
    def api_version(self) -> str:
        """As in `apiVersion`: `group/version`, or the version alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL's path of a collection (of all namespaces: None), an object or its subresource."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        scope = ["namespaces", namespace] if namespace else []
        return "/".join([root, *scope, self.plural, *filter(None, [name, subresource])])


BACKUPS = Kind(naming.GROUP, naming.VERSION, "databasebackups", naming.BACKUP_KIND)
POLICIES = Kind(naming.GROUP, naming.VERSION, "backuppolicies", naming.POLICY_KIND)
RESTORES = Kind(naming.GROUP, naming.VERSION, "databaserestores", naming.RESTORE_KIND)
JOBS = Kind("batch", "v1", "jobs", "Job")
MIGRATION_JOBS = Kind("batch", "v1", "jobs", "Job", "migration")  # of others, which ask to be held
PODS = Kind("", "v1", "pods", "Pod")
CLAIMS = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
EVENTS = Kind("", "v1", "events", "Event")
SELF_REVIEWS = Kind("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview")
LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease")
