"""What botocore raises, mapped once to our reasons, each with its remedy."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket.answers import StrangeAnswerError, is_page, region_of
from holdfast.runner.pod.text import one_line

_BUCKET = {"NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "AuthorizationHeaderMalformed"}
_DENIED = {
    "AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId", "InvalidToken",
    "SignatureDoesNotMatch", "403", "401",
}  # fmt: skip
_UNAVAILABLE = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling", "OperationAborted"}


DENIED_REMEDY = (
    "check the credentials in s3.secretName, or the identity of the Job's ServiceAccount: they must have the right to "
    "put, get, list and delete objects, and to abort multipart uploads, under this prefix"
)


def classify(code: str, status: int) -> tuple[Reason, str]:
    """Return the reason and the remedy for an error that the store answered with (its code, its HTTP status)."""
    if code == "RequestTimeTooSkewed":
        return Reason.STORAGE_FAILED, "correct the clock of the node or of the store: they differ too much"
    if code in _BUCKET or status == 301:
        return Reason.BUCKET_NOT_FOUND, "check s3.bucket, s3.region and s3.endpoint: the bucket must exist there"
    if code in _DENIED or status in (401, 403):
        return Reason.STORAGE_ACCESS_DENIED, DENIED_REMEDY
    if code in _UNAVAILABLE or status in (429, 500, 502, 503, 504):
        return (
            Reason.STORAGE_UNAVAILABLE,
            "check that the store is healthy, then try again: the Job has already retried several times",
        )
    return (
        Reason.STORAGE_FAILED,
        "look up the error code in the store's documentation, and check s3.endpoint and s3.region",
    )


def storage_error(error: BotoCoreError | ClientError, doing: str, s3: S3Storage) -> HoldfastError:
    """Make the error that a person is told: what was being done, where, and what the store said."""
    if isinstance(error, ClientError):
        reason, said, remedy = _answered(error)
    elif isinstance(error, StrangeAnswerError):
        reason, said, remedy = Reason.STORAGE_FAILED, str(error), error.remedy
    else:
        reason, said, remedy = _unanswered(error)
    return HoldfastError(reason, f"{_where(s3)}: {doing} failed: {said}", remedy)


def _where(s3: S3Storage) -> str:
    return f"bucket {s3.bucket} at {s3.endpoint or 'AWS S3'}"


def _answered(error: ClientError) -> tuple[Reason, str, str]:
    metadata = error.response.get("ResponseMetadata", {})
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    said = one_line(str(error.response.get("Error", {}).get("Message", "")), 300)
    status = int(metadata.get("HTTPStatusCode", 0))
    reason, remedy = classify(code, status)
    if region := region_of(error.response):
        remedy = f"the bucket is in region {region}: set s3.region to that"
    if is_page(metadata.get("HTTPHeaders", {})):
        said = "a web page instead of an S3 answer"
        remedy += "; check s3.endpoint, too: a proxy or a login page may have answered instead of the store"
    return reason, f"HTTP {status} {one_line(code, 64)}: {said}", remedy


def _unanswered(error: BotoCoreError) -> tuple[Reason, str, str]:
    said = one_line(str(error), 300)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        remedy = "set s3.secretName, or job.serviceAccountName to a ServiceAccount whose role may use the bucket"
        return Reason.STORAGE_ACCESS_DENIED, said, remedy
    if isinstance(error, SSLError):
        remedy = (
            "set s3.caSecretName to a Secret with the store's CA certificate: the store's certificate is not trusted"
        )
        return Reason.STORAGE_FAILED, said, remedy
    if isinstance(error, BotoConnectionError | HTTPClientError | IncompleteReadError):
        remedy = (
            "check that the store is running, that s3.endpoint is right, and that no NetworkPolicy blocks the "
            "connection"
        )
        return Reason.STORAGE_UNAVAILABLE, said, remedy
    return Reason.STORAGE_FAILED, said, "check the s3 settings of the policy"


def no_s3(name: str, doing: str, s3: S3Storage) -> HoldfastError:
    """Make the error for an answer without what every answer of S3's has, called `name`."""
    return HoldfastError(
        Reason.STORAGE_FAILED,
        f"{_where(s3)}: {doing} failed: the answer has no {one_line(name, 64)}",
        "check that s3.endpoint is the address of an S3 API",
    )


def code_of(error: ClientError) -> str:
    """Return the store's code, e.g. NoSuchKey."""
    return str(error.response.get("Error", {}).get("Code", ""))
