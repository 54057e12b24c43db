"""What the API server can answer instead of what was asked, mapped once from HTTP.

    KubeError
    ├── NotFound        404
    │   └── NotServed   404 on a list: the kind itself is missing
    ├── AlreadyExists   409 on create
    ├── Conflict        409 on everything else: somebody changed the object, or the uid is another's
    ├── Refused         any other 4xx: asking again the same way gets the same answer; the server's sentence says why
    └── Unavailable     429, 5xx, no answer in time, no connection, 401 (a token being rotated), 410 (the rest of a list
                        has expired): ask again later

The messages are the server's own sentences: they name fields and objects, and hold no secrets, since nothing that
the operator sends does.
"""

import json
from collections.abc import Mapping
from typing import Any

from holdfast.untrusted import mapping, mappings


class KubeError(Exception):
    """A call to the API server that did not do what was asked."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """Take the server's sentence, and the HTTP status where there was an answer."""
        super().__init__(message)
        self.message = message
        self.status = status


class NotFound(KubeError):  # noqa: N818 - a state of the cluster, not a fault
    """There is no such object."""


class NotServed(NotFound):
    """The server does not know the kind. The sentence is ours: the server's own is `404 page not found`."""

    def __init__(self, resource: str, api_version: str) -> None:
        """Take the kind's plural and its `group/version`."""
        super().__init__(
            f"the cluster does not serve {resource} of {api_version}: install the CustomResourceDefinition, with "
            "`helm upgrade` and the chart's crds.enabled, or with `kubectl apply --server-side -f crds/`",
            404,
        )


class AlreadyExists(KubeError):  # noqa: N818
    """An object of that name is there."""


class Conflict(KubeError):  # noqa: N818
    """The object is not the one, or not in the version, that the caller has seen."""


class Refused(KubeError):  # noqa: N818
    """The server will not have it (validation, admission, quota, RBAC): final until something else changes."""

    def __init__(
        self, message: str, status: int | None = None, *, terminating: bool = False, unauthorized: bool = False
    ) -> None:
        """Take also whether that is because the namespace is being deleted, or because we have no right to ask."""
        super().__init__(message, status)
        self.terminating, self.unauthorized = terminating, unauthorized


class Unavailable(KubeError):  # noqa: N818
    """The server could not answer now."""

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        """Take also the seconds that the server asks to wait, where it says so."""
        super().__init__(message, status)
        self.retry_after = retry_after


def from_response(status: int, headers: Mapping[str, str], body: bytes) -> KubeError:
    """Map an answer that is no success; the body is a `metav1.Status` unless something else than Kubernetes spoke."""
    answer = _status_object(body)
    message = str(answer.get("message") or body[:512].decode(errors="replace") or f"HTTP {status}")
    if status in {401, 410, 429} or status >= 500:
        return Unavailable(message, status, _retry_after(headers))
    if status == 404:
        return NotFound(message, status)
    if status == 409:
        return AlreadyExists(message, status) if answer.get("reason") == "AlreadyExists" else Conflict(message, status)
    return Refused(message, status, terminating=_is_terminating(answer), unauthorized=_is_unauthorized(answer))


def _is_terminating(answer: Mapping[str, Any]) -> bool:
    causes = mappings(mapping(answer.get("details")).get("causes"))
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


_ASKED = ("create", "list")  # what we can do without, in a namespace that is going


def _is_unauthorized(answer: Mapping[str, Any]) -> bool:
    """Whether RBAC refused it: an admission's refusal is Forbidden, too, and only the words tell them apart."""
    message = str(answer.get("message"))
    return answer.get("reason") == "Forbidden" and any(f'" cannot {verb} resource "' in message for verb in _ASKED)


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:  # a proxy or load balancer answered with a page of its own
        return {}
    return answer if isinstance(answer, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
