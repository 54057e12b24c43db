"""Answers that are no answer of S3's: redirects, and the web pages of proxies, consoles and login portals.

No redirect is followed: what is sent would go along, to wherever whoever answers points. botocore's own way with a
redirect, to ask for the bucket's region, ends in a recursion where each answer is one, and is left to AWS itself.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError

from holdfast.api.storage import S3Storage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_API = "is the address of the S3 API, not of a web console, a login page or a proxy"


class StrangeAnswerError(BotoCoreError):
    """Something answered that is not this bucket's store; `said` and `remedy` are for people, and safe to show."""

    fmt = "{said}"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return str(self.kwargs["remedy"])


def refuse_strange_answers(client: "S3Client", s3: S3Storage) -> None:
    """Have each answer of a client looked at, before botocore decides whether to ask again."""

    def look(response: tuple[Any, dict[str, Any]] | None, **_: object) -> None:
        if response is None:  # there was no answer
            return
        http, parsed = response
        if error := strange(parsed, s3):
            http.raw.close()  # of a stream, nothing was read yet
            raise error

    def as_text(request: AWSPreparedRequest, **_: object) -> None:
        headers: MutableMapping[str, str | bytes] = request.headers  # type: ignore[assignment]  # as it is
        for name, value in list(headers.items()):
            if isinstance(value, bytes):  # over which urllib3 stumbles when the answer is HTTP 303
                headers[name] = value.decode("latin-1")

    client.meta.events.register_first("needs-retry.s3", look)
    client.meta.events.register("before-send.s3", as_text)


def strange(parsed: Mapping[str, Any], s3: S3Storage) -> StrangeAnswerError | None:
    """Return what is to be said of an answer, as botocore has read it, that no store gives; None of any other."""
    metadata = parsed.get("ResponseMetadata", {})
    headers, status = metadata.get("HTTPHeaders", {}), int(metadata.get("HTTPStatusCode", 0))
    if status // 100 == 3 and status != 304:
        region = region_of(parsed)
        if region and not s3.endpoint:
            return None  # AWS: botocore asks again where the bucket is, of a host of AWS whose name it makes itself
        return redirected(status, headers.get("location"), region, s3)
    if status // 100 == 2 and is_page(headers) and headers.get("content-length") != "0":
        return StrangeAnswerError(said=f"HTTP {status} with a web page", remedy=f"check that s3.endpoint {_API}")
    return None


def is_page(headers: dict[str, Any]) -> bool:
    """Whether an answer is for a browser; S3 says `application/xml`, and no object of ours is such."""
    return str(headers.get("content-type", "")).lower().startswith("text/html")


def redirected(status: int, location: str | None, region: str | None, s3: S3Storage) -> StrangeAnswerError:
    """Make the error for a redirect: where it points, and what to write instead. Nothing of it is shown unchecked."""
    if region:
        return StrangeAnswerError(
            said=f"HTTP {status}: the bucket is in region {region}",
            remedy=f"set s3.region to {region}, and leave s3.endpoint out or set it to one of that region",
        )
    here = _origin(s3.endpoint or "", "", None)
    there = _origin(s3.endpoint or "", location, s3.bucket) if location else None
    if there is None:
        said, remedy = "a redirect without a target", f"check that s3.endpoint {_API}"
    elif there == here:
        said, remedy = f"a redirect to another page of {there}", f"check that s3.endpoint {_API}"
    elif here and here.startswith("https:") and there.startswith("http:"):
        said, remedy = (
            f"a redirect to {there}, without TLS",
            "find out who answers at this address: the answer cannot be trusted",
        )
    else:
        said = f"a redirect to {there}, which the Job does not follow, since that would send the credentials there"
        remedy = f"if this is the store's address, set s3.endpoint to {there}"
    return StrangeAnswerError(said=f"HTTP {status}: {said}", remedy=remedy)


def region_of(parsed: Mapping[str, Any]) -> str | None:
    """Return the region that an answer says the bucket is in."""
    headers = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    said = headers.get("x-amz-bucket-region") or parsed.get("Error", {}).get("Region")
    return said if isinstance(said, str) and _REGION.fullmatch(said) else None


def _origin(base: str, url: str, bucket: str | None) -> str | None:
    """Return scheme, host and port of a URL, without the bucket in the host's name; None where it is none."""
    try:
        parts = urlsplit(urljoin(base, url))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    host = f"[{host}]" if ":" in host else host.removeprefix(f"{bucket}.")
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return None
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")
