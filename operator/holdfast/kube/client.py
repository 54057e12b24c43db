"""The thin client: dicts in, dicts out, errors mapped, every call with a time limit.

It uses the official client's asyncio side for configuration, credentials and transport, and none of its models:
reading a list into models costs more memory and time than a reconcile does (docs/adr/0003-kubernetes-client.md).
It does not retry: whoever calls knows whether and when to come back.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException

from holdfast import __version__, naming
from holdfast.kube import access, errors, metrics, paging
from holdfast.kube.kinds import SELF_REVIEWS, Kind

Object = dict[str, Any]
Page = list[Object]
Read = Callable[[AsyncIterable[bytes]], Awaitable[bytes]]
Propagation = Literal["Background", "Foreground", "Orphan"]

_MERGE_PATCH = "application/merge-patch+json"
_JSON = "application/json"
_ALL_FIRST = {
    "watch": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true",
}  # fmt: skip
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubeClient:
    """Calls to one API server. Every method raises Unavailable when the server cannot answer now."""

    def __init__(self, configuration: Configuration, timeout: float = 10) -> None:
        """Take where the server is, and the seconds that one call may take. Needs a running event loop."""
        self._api = ApiClient(configuration)
        access.trust(self._api.rest_client.ssl_context)
        self._api.user_agent = f"{naming.MANAGER}-operator/{__version__}"  # names us in managedFields and audit logs
        self._timeout = timeout

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """Return the object. Raises NotFound."""
        answer, _ = await self._call("GET", kind, kind.path(namespace, name))
        return answer

    async def pages(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        """Yield the objects of a namespace, or of all (None), that both selectors match, as many at a time as fit.

        A namespace that does not exist has none. Raises NotServed when the server does not know the kind. An object may
        be as big as somebody made it: a page is asked for by how big the last one was, and one that is too big all the
        same is given up and asked for with fewer objects.
        """
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        accept, size = _METADATA_ONLY if metadata_only else _JSON, paging.FIRST
        while True:
            query["limit"] = str(size)
            try:
                page, held = await self._page(kind, kind.path(namespace), query, accept)
            except _TooBig:
                if size == 1:
                    raise
                size = paging.fewer(size)
                continue
            items = page.get("items") or []  # null where a list of metadata is empty
            following = page["metadata"].get("continue")
            size = paging.next_size(size, len(items), held)
            yield items
            if not following:
                return
            query["continue"] = following

    async def list(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
    ) -> Page:
        """Return what `pages` yields in one list: where it is known to be short."""
        pages = self.pages(
            kind,
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            metadata_only=metadata_only,
        )
        return [item async for page in pages for item in page]

    async def streams(self, kind: Kind, namespace: str | None) -> bool:
        """Say whether a watch begins with what there is, so that no list is needed. Raises Refused where it cannot.

        Asked of objects that cannot be: the first thing that comes is the mark that all of them were sent. A server
        that lets one ask and never sends the mark is Unavailable in the end.
        """
        query = _ALL_FIRST | {"labelSelector": f"{naming.MANAGED_BY},!{naming.MANAGED_BY}"}
        event, _ = await self._call("GET", kind, kind.path(namespace), query=query, read=paging.first_line)
        return event.get("type") == "BOOKMARK"

    async def _page(self, kind: Kind, path: str, query: dict[str, str | None], accept: str) -> tuple[Object, int]:
        """Return a page and how many bytes it had."""
        try:
            return await self._call("GET", kind, path, query=query, accept=accept)
        except errors.NotFound:
            raise errors.NotServed(kind.plural, kind.api_version) from None

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        """Create the object and return it as the server has it. Raises AlreadyExists, Refused."""
        answer, _ = await self._call("POST", kind, kind.path(namespace), body=body)
        return answer

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """Apply a JSON merge patch and return the object.

        With metadata.resourceVersion in the body, raises Conflict when the object has changed since. Raises NotFound,
        Refused.
        """
        path = kind.path(namespace, name, subresource)
        answer, _ = await self._call("PATCH", kind, path, body=body, content_type=_MERGE_PATCH)
        return answer

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None,
        version: str | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        """Delete the object. Raises NotFound, and Conflict when the object of that name has another uid or version."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        asked = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value is not None}
        if asked:
            options["preconditions"] = asked
        await self._call("DELETE", kind, kind.path(namespace, name), body=options)

    async def who_am_i(self) -> str:
        """Return the user name that the server knows us by."""
        body = {"apiVersion": SELF_REVIEWS.api_version, "kind": SELF_REVIEWS.kind}
        answer, _ = await self._call("POST", SELF_REVIEWS, SELF_REVIEWS.path(None), body=body)
        return str(answer["status"]["userInfo"]["username"])

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _call(
        self,
        method: str,
        kind: Kind,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: Object | None = None,
        accept: str = _JSON,
        content_type: str = _JSON,
        read: Read = paging.read,
    ) -> tuple[Object, int]:
        """Return the object that the server answers with, and how many bytes it had."""
        began = time.monotonic()
        headers = {"Accept": accept, "Content-Type": content_type}
        try:
            status, answered, data = await self._exchange(method, path, query or {}, headers, body, read)
            return _read(status, answered, data), len(data)
        except errors.KubeError as error:
            metrics.REQUEST_ERRORS.labels(method, type(error).__name__).inc()
            raise
        finally:
            metrics.REQUEST_SECONDS.labels(method, kind.kind).observe(time.monotonic() - began)

    async def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None],
        headers: dict[str, str],
        body: Object | None,
        read: Read,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return the answer's status, headers and body; raise Unavailable where there is none."""
        try:
            async with asyncio.timeout(self._timeout):
                request = await self._api.param_serialize(
                    method,
                    path,
                    query_params=[(key, value) for key, value in query.items() if value],
                    header_params=headers,
                    body=body,
                    auth_settings=["BearerToken"],
                )
                response = await self._api.call_api(*request)
                async with response.response as answer:  # which closes a connection that was not read to its end
                    return answer.status, answer.headers, await read(answer.content.iter_any())
        except paging.TooBig as error:
            raise _TooBig(str(error)) from error
        except TimeoutError as error:
            raise errors.Unavailable(f"no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise errors.Unavailable(f"no connection: {error}") from error
        except ConfigException as error:  # the token's file, which is read again now and then
            raise errors.Unavailable(f"no credentials: {error}") from error


class _TooBig(errors.Unavailable):
    """An answer that has more bytes than may be held: of a list, fewer objects can be asked for."""


def _read(status: int, headers: Mapping[str, str], body: bytes) -> Object:
    """Return the object of a successful answer; raise what any other answer is mapped to."""
    if status // 100 != 2:
        raise errors.from_response(status, headers, body)
    try:
        answer = json.loads(body)
    except ValueError as error:  # cut off, or something else than Kubernetes spoke
        raise errors.Unavailable(f"the answer is not JSON: {error}", status) from error
    if not isinstance(answer, dict):
        raise errors.Unavailable(f"the answer is not an object but a {type(answer).__name__}", status)
    return answer
