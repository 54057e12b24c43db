"""What RDS's API and botocore raise, mapped once to our reasons, each with its remedy.

AWS writes some codes with `Fault` at their end and some without; here they all are without.
"""

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError
from botocore.exceptions import ConnectionError as BotoConnectionError

from holdfast.api.rds import RDSInstance
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.text import one_line

_DENIED = {
    "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
    "IncompleteSignature", "InvalidClientTokenId", "InvalidIdentityToken", "MissingAuthenticationToken",
    "NotAuthorized", "OptInRequired", "SignatureDoesNotMatch", "UnauthorizedOperation", "UnrecognizedClientException",
}  # fmt: skip
_THROTTLED = {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
_UNAVAILABLE = {"InternalError", "InternalFailure", "RequestTimeout", "ServiceUnavailable"}
_NOT_FOUND = {"DBClusterNotFound", "DBInstanceNotFound"}
_WRONG_STATE = {"InvalidDBClusterState", "InvalidDBInstanceState"}

PASSES = (Reason.RDS_THROTTLED, Reason.RDS_UNAVAILABLE)
"""What may pass by itself: the same request is made again for a while."""

_REMEDIES = {
    Reason.RDS_THROTTLED: "AWS limits how often this account may ask: run fewer backups at once, or ask AWS for more",
    Reason.RDS_UNAVAILABLE: "check that the Job reaches AWS (NetworkPolicy, proxy, VPC endpoint) and AWS's own state",
    Reason.INSTANCE_NOT_FOUND: "check database.instance.identifier, kind and region, and whose account it is",
    Reason.INSTANCE_NOT_AVAILABLE: "make it available (a stopped one must be started), then create another backup",
    Reason.SNAPSHOT_QUOTA_EXCEEDED: "delete manual snapshots that nobody needs, or ask AWS for a higher quota of them",
    Reason.KMS_KEY_REFUSED: "check copyTo.kmsKeyID: an enabled key of that region, which the identity may use",
    Reason.SNAPSHOT_FAILED: "look AWS's code up in the reference of its RDS API; the message has its own words",
}


def code_of(error: ClientError) -> str:
    """Return AWS's code, e.g. DBSnapshotNotFound, without a `Fault` at its end; of another's, no more than a code's."""
    return one_line(str(error.response.get("Error", {}).get("Code", "")), 100).removesuffix("Fault")


def classify(code: str, status: int) -> Reason:
    """Return the reason for an error that AWS answered with: its code, without `Fault`, and its HTTP status."""
    if code in _DENIED or status in (401, 403):
        return Reason.RDS_ACCESS_DENIED
    if code in _THROTTLED or status == 429:
        return Reason.RDS_THROTTLED
    if code in _NOT_FOUND:
        return Reason.INSTANCE_NOT_FOUND
    if code in _WRONG_STATE:
        return Reason.INSTANCE_NOT_AVAILABLE
    if code == "SnapshotQuotaExceeded":
        return Reason.SNAPSHOT_QUOTA_EXCEEDED
    if code == "KMSKeyNotAccessible":
        return Reason.KMS_KEY_REFUSED
    if code in _UNAVAILABLE or status >= 500:
        return Reason.RDS_UNAVAILABLE
    return Reason.SNAPSHOT_FAILED


def rds_error(error: BotoCoreError | ClientError, operation: str, instance: RDSInstance, region: str) -> HoldfastError:
    """Make the error that a person is told: which action, on what, and what AWS said."""
    about = f"{instance.kind} {instance.identifier} in {region}"
    if isinstance(error, ClientError):
        action = _action(error.operation_name)
        said = one_line(str(error.response.get("Error", {}).get("Message", "")), 300)
        reason = classify(code_of(error), int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)))
        remedy = (
            _REMEDIES.get(reason) or f"allow {action} to the Job's identity; the how-to on RDS has the whole policy"
        )
        return HoldfastError(reason, f"{about}: {action} failed: {code_of(error)}: {said}", remedy)
    said = one_line(str(error), 300)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        remedy = "give database.instance.secretName, or a ServiceAccount with a role that may"
        return HoldfastError(Reason.RDS_ACCESS_DENIED, f"{about}: {_action(operation)} failed: {said}", remedy)
    passes = isinstance(error, BotoConnectionError | HTTPClientError)
    reason = Reason.RDS_UNAVAILABLE if passes else Reason.SNAPSHOT_FAILED
    return HoldfastError(reason, f"{about}: {_action(operation)} failed: {said}", _REMEDIES[reason])


def _action(operation: str) -> str:
    """Name an operation as IAM does."""
    return f"{'sts' if operation.startswith('AssumeRole') else 'rds'}:{operation}"
