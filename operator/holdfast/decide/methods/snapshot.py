"""The method of a snapshot: Amazon RDS takes and keeps it; the bucket gets its manifest. Pure."""

from holdfast import naming
from holdfast.api.begun import Begun
from holdfast.api.policy import BackupPolicySpec, VerificationLevel
from holdfast.contract.report import BackupReport
from holdfast.decide.methods.protocol import Fields, Kinds
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

_IMAGE = "aws"  # RDS's API has no versions that an image would have to fit


class Snapshots:
    """What is decided of a snapshot."""

    kinds = Kinds("rds-snapshot", "rds-verify", "rds-cleanup")

    def filled(self, fields: Fields) -> Fields:
        """Leave out what only a dump has: the snapshot is encrypted by AWS, or not at all."""
        left_out = {"job": "scratch", "storage": "encryption"}
        filled = {part: {key: it for key, it in fields[part].items() if key != name} for part, name in left_out.items()}
        return {**fields, **filled}

    def image(self, resolved: BackupPolicySpec, settings: Settings, _server_major: int | None) -> tuple[str, str]:
        """Return the image that speaks to RDS."""
        if _IMAGE not in settings.images:
            raise HoldfastError(
                Reason.IMAGE_NOT_SET,
                f"no runner image for {resolved.method}: the chart's runner.images has no key {_IMAGE}",
                f"add {_IMAGE} to runner.images in the chart's values",
            )
        return _IMAGE, settings.images[_IMAGE]

    def wrong(self, result: BackupReport, begun: Begun) -> str | None:
        """Compare what was snapshot, and its name and its copy's."""
        snapshot, instance = result.snapshot, begun.resolved.database.instance
        if snapshot is None or instance is None:
            return "it names no snapshot"
        of = (instance.kind.value, instance.identifier.lower(), instance.region)
        if (snapshot.kind, snapshot.source.lower(), snapshot.region) != of:
            return f"its snapshot is of another instance: {snapshot.source} in {snapshot.region}"
        name = naming.snapshot_name(begun.backup_id, begun.uid)
        arns = [snapshot.arn, *([snapshot.copy_in.arn] if snapshot.copy_in else [])]
        if any(arn.rpartition(":")[2].lower() != name.lower() for arn in arns):
            return f"its snapshot has another name than {name}"
        copied = snapshot.copy_in.region if snapshot.copy_in else None
        if copied != (instance.copy_to.region if instance.copy_to else None):
            return "its snapshot's copy is not the one that was asked for"
        return None

    def achieved(self, result: BackupReport, size: str | None, took: str) -> str:
        """Say of what it is; of a cluster's snapshot nobody knows the size."""
        of = f" of {result.snapshot.source}" if result.snapshot else ""
        what = f"snapshot{of}{f' ({size})' if size else ''}"
        return f"{what} found and looked at again" if result.found else f"{what} available after {took}"

    def level(self, asked: VerificationLevel | None, _resolved: BackupPolicySpec) -> None:
        """Refuse any level: its content cannot be read."""
        if asked is not None:
            raise HoldfastError(
                Reason.VERIFICATION_REFUSED,
                "a snapshot has no levels: AWS is asked about its state",
                "leave the level out",
            )
