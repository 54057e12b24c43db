"""The method of a snapshot: Amazon RDS takes and keeps it; the bucket gets its manifest. Pure."""

from holdfast import naming
from holdfast.api import policy
from holdfast.api.begun import Begun
from holdfast.api.policy import BackupPolicySpec, VerificationLevel
from holdfast.contract.report import BackupReport
from holdfast.decide.methods.protocol import Fields, Kinds
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

_IMAGE = "aws"  # RDS's API has no versions that an image would have to fit


def image(settings: Settings) -> tuple[str, str]:
    """Return (key, image) of what speaks to RDS. Raises HoldfastError(ImageNotSet)."""
    if _IMAGE not in settings.images:
        raise HoldfastError(
            Reason.IMAGE_NOT_SET,
            f"there is no runner image for method {policy.Method.AWS_RDS}: the chart's runner.images lacks the key "
            f"{_IMAGE}",
            f"add the key {_IMAGE} to runner.images in the chart's values",
        )
    return _IMAGE, settings.images[_IMAGE]


class Snapshots:
    """What is decided of a snapshot."""

    kinds = Kinds("rds-snapshot", "rds-verify", "rds-cleanup")

    def filled(self, fields: Fields) -> Fields:
        """Leave out what only a dump has: the snapshot is encrypted by AWS, or not at all."""
        left_out = {"job": "scratch", "storage": "encryption"}
        filled = {part: {key: it for key, it in fields[part].items() if key != name} for part, name in left_out.items()}
        return {**fields, **filled}

    def image(self, _resolved: BackupPolicySpec, settings: Settings, _server_major: int | None) -> tuple[str, str]:
        """Return the image that speaks to RDS."""
        return image(settings)

    def wrong(self, result: BackupReport, begun: Begun) -> str | None:
        """Compare what was snapshot, and its name and its copy's."""
        snapshot, instance = result.snapshot, begun.resolved.database.instance
        if snapshot is None or instance is None:
            return "the report names no snapshot"
        of = (instance.kind.value, instance.identifier.lower(), instance.region)
        if (snapshot.kind, snapshot.source.lower(), snapshot.region) != of:
            return f"the snapshot is of another instance: {snapshot.source} in {snapshot.region}"
        name = naming.snapshot_name(begun.backup_id, begun.uid)
        arns = [snapshot.arn, *([snapshot.copy_in.arn] if snapshot.copy_in else [])]
        if any(arn.rpartition(":")[2].lower() != name.lower() for arn in arns):
            return f"the snapshot is not named {name}"
        copied = snapshot.copy_in.region if snapshot.copy_in else None
        if copied != (instance.copy_to.region if instance.copy_to else None):
            return "the snapshot's copy is not the requested copy"
        return None

    def achieved(self, result: BackupReport, size: str | None, took: str) -> str:
        """Say of what it is; of a cluster's snapshot nobody knows the size."""
        of = f" of {result.snapshot.source}" if result.snapshot else ""
        what = f"snapshot{of}{f' ({size})' if size else ''}"
        return f"found and verified: {what}" if result.found else f"{what} available after {took}"

    def level(self, asked: VerificationLevel | None, _resolved: BackupPolicySpec) -> None:
        """Refuse any level: its content cannot be read."""
        if asked is not None:
            raise HoldfastError(
                Reason.VERIFICATION_REFUSED,
                "the verification of a snapshot has no levels: the Job asks RDS for its state",
                "set the annotation to a new value without a level",
            )
