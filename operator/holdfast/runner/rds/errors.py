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
_OTHERS = {
    "DBClusterNotFound": Reason.INSTANCE_NOT_FOUND,
    "DBInstanceNotFound": Reason.INSTANCE_NOT_FOUND,
    "InvalidDBClusterState": Reason.INSTANCE_NOT_AVAILABLE,
    "InvalidDBInstanceState": Reason.INSTANCE_NOT_AVAILABLE,
    "SnapshotQuotaExceeded": Reason.SNAPSHOT_QUOTA_EXCEEDED,
    "InstanceQuotaExceeded": Reason.INSTANCE_QUOTA_EXCEEDED,
    "DBClusterQuotaExceeded": Reason.INSTANCE_QUOTA_EXCEEDED,
    "StorageQuotaExceeded": Reason.INSTANCE_QUOTA_EXCEEDED,
    "KMSKeyNotAccessible": Reason.KMS_KEY_REFUSED,
}

PASSES = (Reason.RDS_THROTTLED, Reason.RDS_UNAVAILABLE)
"""What may pass by itself: the same request is made again for a while."""

_REMEDIES = {
    Reason.RDS_THROTTLED: (
        "run fewer backups at once, or ask AWS for a higher limit: AWS limits how many requests this account may send"
    ),
    Reason.RDS_UNAVAILABLE: (
        "check that the Job can reach AWS (NetworkPolicy, proxy, VPC endpoint), and check the status of AWS"
    ),
    Reason.INSTANCE_NOT_FOUND: (
        "check database.instance.identifier, kind and region, and which account the credentials belong to"
    ),
    Reason.INSTANCE_NOT_AVAILABLE: (
        "start the instance or cluster if it is stopped, wait until it is available, then create another backup"
    ),
    Reason.SNAPSHOT_QUOTA_EXCEEDED: (
        "delete manual snapshots that you do not need, or ask AWS for a higher quota of manual snapshots"
    ),
    Reason.KMS_KEY_REFUSED: (
        "check copyTo.kmsKeyID: it must be an enabled key in that region, and the Job's identity must have the right "
        "to use it"
    ),
    Reason.INSTANCE_QUOTA_EXCEEDED: (
        "delete instances that nobody needs, or ask AWS for a higher quota of instances, clusters or storage"
    ),
    Reason.RESTORE_FAILED: (
        "correct what the message names in target.rds, and create another DatabaseRestore: the message is AWS's own"
    ),
    Reason.SNAPSHOT_FAILED: "look up the error code in AWS's reference of the RDS API; the message is AWS's own",
}


# Where what is asked about is to be made, and not to be backed up.
_OF_RESTORES = {
    Reason.SNAPSHOT_FAILED: Reason.RESTORE_FAILED,
    Reason.INSTANCE_NOT_FOUND: Reason.RESTORE_FAILED,
    Reason.INSTANCE_NOT_AVAILABLE: Reason.RESTORE_FAILED,
}
_REMEDIES_OF_RESTORES = _REMEDIES | {
    Reason.RDS_THROTTLED: (
        "run fewer restores and backups at once, or ask AWS for a higher limit: AWS limits how many requests this "
        "account may send"
    ),
    Reason.KMS_KEY_REFUSED: (
        "check the key that encrypts the snapshot: it must be enabled, and the Job's identity needs kms:CreateGrant, "
        "kms:Decrypt and kms:DescribeKey on it"
    ),
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
    if code in _OTHERS:
        return _OTHERS[code]
    if code in _UNAVAILABLE or status >= 500:
        return Reason.RDS_UNAVAILABLE
    return Reason.SNAPSHOT_FAILED


def rds_error(
    error: BotoCoreError | ClientError, operation: str, instance: RDSInstance, region: str, *, restores: bool
) -> HoldfastError:
    """Make the error that a person is told: which action, on what, and what AWS said."""
    about = f"{instance.kind} {instance.identifier} in {region}"
    remedies = _REMEDIES_OF_RESTORES if restores else _REMEDIES
    if isinstance(error, ClientError):
        action = _action(error.operation_name)
        said = one_line(str(error.response.get("Error", {}).get("Message", "")), 300)
        reason = classify(code_of(error), int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)))
        reason = _OF_RESTORES.get(reason, reason) if restores else reason
        page = f"docs/how-to/{'restore' if restores else 'snapshot'}-rds.md"
        remedy = remedies.get(reason) or f"allow the Job's identity to call {action}; {page} has the whole IAM policy"
        return HoldfastError(reason, f"{about}: {action} failed: {code_of(error)}: {said}", remedy)
    said = one_line(str(error), 300)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        field = "target.rds.secretName" if restores else "database.instance.secretName"
        remedy = f"set {field}, or job.serviceAccountName to a ServiceAccount with an IAM role"
        return HoldfastError(Reason.RDS_ACCESS_DENIED, f"{about}: {_action(operation)} failed: {said}", remedy)
    passes = isinstance(error, BotoConnectionError | HTTPClientError)
    failed = Reason.RESTORE_FAILED if restores else Reason.SNAPSHOT_FAILED
    reason = Reason.RDS_UNAVAILABLE if passes else failed
    return HoldfastError(reason, f"{about}: {_action(operation)} failed: {said}", remedies[reason])


def _action(operation: str) -> str:
    """Name an operation as IAM does."""
    return f"{'sts' if operation.startswith('AssumeRole') else 'rds'}:{operation}"
