"""The method of a dump: by the engine's own tools, through a Pod, into the bucket. Pure."""

from holdfast.api.begun import Begun
from holdfast.api.policy import Algorithm, BackupPolicySpec, Format, Level, VerificationLevel
from holdfast.contract.report import BackupReport
from holdfast.decide.images import runner_image
from holdfast.decide.methods.protocol import Fields, Kinds
from holdfast.settings import Settings

DIRECTORY_JOBS = 4


class Dumps:
    """What is decided of a dump."""

    kinds = Kinds("backup", "verify", "cleanup")

    def filled(self, fields: Fields) -> Fields:
        """Fill in how it is compressed, and what a directory and an SQLite file need."""
        filled = {**fields, "dump": _compressed(fields.get("dump", {}))}
        if filled["dump"].get("format") == Format.DIRECTORY:
            filled["dump"].setdefault("jobs", DIRECTORY_JOBS)
        volume = fields["database"].get("volume")
        if volume is not None:
            filled["database"] = {**fields["database"], "volume": {"runAsGroup": volume["runAsUser"], **volume}}
            filled["dump"]["format"] = Format.SQLITE  # its only one
        return filled

    def image(self, resolved: BackupPolicySpec, settings: Settings, server_major: int | None) -> tuple[str, str]:
        """Return the image whose tools fit the server."""
        return runner_image(resolved.database.dumped_engine(), settings, server_major)

    def wrong(self, result: BackupReport, begun: Begun) -> str | None:
        """Compare the artifact's place with the backup's folder."""
        key, folder = result.artifact_key or "", begun.key_prefix
        name = key.removeprefix(folder)
        if not folder or not key.startswith(folder) or not name or "/../" in f"/{name}/":
            return f"the artifact is not in the backup's folder: {key}"
        if result.size_bytes is None or result.size_bytes <= 0 or result.sha256 is None:
            return "the report lacks the artifact's size or checksum"
        return None

    def achieved(self, result: BackupReport, size: str | None, took: str) -> str:
        """Say how big it is."""
        return f"found in the bucket and verified: {size}" if result.found else f"backed up {size} in {took}"

    def level(self, asked: VerificationLevel | None, resolved: BackupPolicySpec) -> VerificationLevel:
        """Return the level that is asked for, else the policy's."""
        return asked or resolved.verification.level


def _compressed(dump: Fields) -> Fields:
    compression = dump.get("compression", {})
    if compression.get("algorithm") == Algorithm.NONE:
        return {**dump}
    return {**dump, "compression": {"level": Level.FAST.value, **compression}}
