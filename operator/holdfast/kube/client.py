"""The thin client: dicts in, dicts out, errors mapped, every call with a time limit.

It uses the official client's asyncio side for configuration, credentials and transport, and none of its models:
reading a list into models costs more memory and time than the reconcile does.
"""

from typing import Any, Literal

from holdfast.kube.kinds import Kind

Object = dict[str, Any]
Propagation = Literal["Background", "Foreground", "Orphan"]


class KubeClient:
    """Calls to one API server. Every method raises Unavailable when the server cannot answer now."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """Return the object. Raises NotFound."""
        raise NotImplementedError

    async def list(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Object]:
        """Return the objects of a namespace, or of all (None), that both selectors match."""
        raise NotImplementedError

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        """Create the object and return it as the server has it. Raises AlreadyExists, Refused."""
        raise NotImplementedError

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """Apply a JSON merge patch and return the object.

        With metadata.resourceVersion in the body, raises Conflict when the object has changed since. Raises NotFound,
        Refused.
        """
        raise NotImplementedError

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str | None, propagation: Propagation = "Background"
    ) -> None:
        """Delete the object. Raises NotFound, and Conflict when the object of that name has another uid."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the connections."""
        raise NotImplementedError
