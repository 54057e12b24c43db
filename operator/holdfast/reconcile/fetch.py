"""A resource asked of the API server: where the cache keeps only a few facts of it, or a newer one has come."""

from holdfast.kube.client import KubeClient
from holdfast.kube.errors import NotFound
from holdfast.kube.kinds import Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.resource import Resource


async def fetch(cache: Cache, client: KubeClient, kind: Kind, namespace: str, name: str) -> Resource | None:
    """Return the whole resource, which the cache has seen then; None where it is gone, which an event will tell."""
    try:
        body = await client.get(kind, namespace, name)
    except NotFound:
        return None
    cache.put(kind, body)
    return Resource.of(body)
