"""The keys that a store or AWS is asked with, read from a mounted Secret."""

from dataclasses import dataclass, field
from pathlib import Path

from holdfast.api.storage import S3SecretKeys
from holdfast.runner.pod.secrets import MountedSecret


@dataclass(frozen=True)
class Credentials:
    """The mounted credentials; all None means the default chain."""

    identifier: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def credentials(secret_name: str | None, secret_keys: S3SecretKeys | None, folder: Path) -> Credentials:
    """Return the mounted credentials; none without a Secret, so that the Pod's own identity is used.

    Raises SecretMissing or SecretKeyMissing.
    """
    if secret_name is None:
        return Credentials()
    keys = secret_keys or S3SecretKeys()
    secret = MountedSecret(secret_name, folder)
    there = secret.keys()
    return Credentials(
        identifier=secret.read(keys.access_key_id),
        secret=secret.read(keys.secret_access_key),
        token=secret.read(keys.session_token) if keys.session_token in there else None,
    )
