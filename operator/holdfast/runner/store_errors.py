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
from holdfast.runner.text import one_line

_BUCKET = {"NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "AuthorizationHeaderMalformed"}
_DENIED = {
    "AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId", "InvalidToken",
    "SignatureDoesNotMatch", "403", "401",
}  # fmt: skip
_UNAVAILABLE = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling", "OperationAborted"}


_DENIED_REMEDY = (
    "check the credentials in s3.secretName (or the Job's own identity) and that they may put, get, list and delete "
    "objects, and abort multipart uploads, under this prefix"
)


def classify(code: str, status: int) -> tuple[Reason, str]:
    """Return the reason and the remedy for an error that the store answered with (its code, its HTTP status)."""
    if code == "RequestTimeTooSkewed":
        return Reason.STORAGE_FAILED, "the node's clock and the store's differ too much: correct the time"
    if code in _BUCKET or status == 301:
        return Reason.BUCKET_NOT_FOUND, "check s3.bucket, s3.region and s3.endpoint: the bucket must exist there"
    if code in _DENIED or status in (401, 403):
        return Reason.STORAGE_ACCESS_DENIED, _DENIED_REMEDY
    if code in _UNAVAILABLE or status in (429, 500, 502, 503, 504):
        return Reason.STORAGE_UNAVAILABLE, "the store did not serve, several times over: look at its state, try again"
    return Reason.STORAGE_FAILED, "look the store's code up in its documentation; check s3.endpoint and s3.region"


def storage_error(error: BotoCoreError | ClientError, doing: str, s3: S3Storage) -> HoldfastError:
    """Make the error that a person is told: what was being done, where, and what the store said."""
    where = f"bucket {s3.bucket} at {s3.endpoint or 'AWS S3'}"
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        said = str(error.response.get("Error", {}).get("Message", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        reason, remedy = classify(code, status)
        return HoldfastError(reason, f"{where}: {doing} failed: HTTP {status} {code}: {one_line(said, 300)}", remedy)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        reason, remedy = Reason.STORAGE_ACCESS_DENIED, "give s3.secretName, or a ServiceAccount with a role that may"
    elif isinstance(error, SSLError):
        reason, remedy = Reason.STORAGE_FAILED, "the store's certificate is not trusted: give its CA in s3.caSecretName"
    elif isinstance(error, BotoConnectionError | HTTPClientError | IncompleteReadError):
        reason, remedy = (
            Reason.STORAGE_UNAVAILABLE,
            "check that the store runs and that s3.endpoint is right, and that no NetworkPolicy forbids it",
        )
    else:
        reason, remedy = Reason.STORAGE_FAILED, "check the s3 settings of the policy"
    return HoldfastError(reason, f"{where}: {doing} failed: {one_line(str(error), 300)}", remedy)


def code_of(error: ClientError) -> str:
    """Return the store's code, e.g. NoSuchKey."""
    return str(error.response.get("Error", {}).get("Code", ""))
