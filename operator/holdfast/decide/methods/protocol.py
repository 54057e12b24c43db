"""What decisions ask of how a backup is taken. Pure.

What a method's Jobs are told is in manifests/methods.py, and what they do is the runner's (runner/method.py).
"""

from typing import Any, NamedTuple, Protocol

from holdfast.api.begun import Begun
from holdfast.api.policy import BackupPolicySpec, VerificationLevel
from holdfast.contract.report import BackupReport
from holdfast.settings import Settings

Fields = dict[str, Any]  # of a policy, as the API has them


class Kinds(NamedTuple):
    """The kinds of its tasks, by which their reports are known."""

    backup: str
    verification: str
    cleanup: str


class Method(Protocol):
    """A way of taking backups."""

    @property
    def kinds(self) -> Kinds:
        """What its Jobs report as."""

    def filled(self, fields: Fields) -> Fields:
        """Fill in the defaults that only it has, and leave out what has no effect with it."""

    def image(self, resolved: BackupPolicySpec, settings: Settings, server_major: int | None) -> tuple[str, str]:
        """Return (key, image) of the runner. Raises HoldfastError(ImageNotSet)."""

    def wrong(self, result: BackupReport, begun: Begun) -> str | None:
        """Say what of a report does not fit what was asked for; None where all does."""

    def achieved(self, result: BackupReport, size: str | None, took: str) -> str:
        """Say in a sentence what there is now."""

    def level(self, asked: VerificationLevel | None, resolved: BackupPolicySpec) -> VerificationLevel | None:
        """Return how it is verified again. Raises HoldfastError(VerificationRefused) where that makes no sense."""
