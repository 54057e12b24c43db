"""Reads mounted Secrets and writes libpq's files: the only module that holds a password, and it shows none.

Secrets are mounted `optional`, so that a missing one is named here instead of leaving the Pod waiting for hours;
the folder is then empty, or not there. Messages name the Secret and its keys, never a value.
"""

import os
from pathlib import Path

from holdfast.errors import HoldfastError, Reason

MAX_USER = 200  # bytes; names have 63 in PostgreSQL, 32 characters in MySQL; and libpq before 14 reads lines of 255


class MountedSecret:
    """One Secret of the namespace, mounted as a folder with a file for each key; or a ConfigMap, which is no secret."""

    def __init__(self, name: str, folder: Path, kind: str = "Secret") -> None:
        self.name = name
        self._folder = folder
        self._kind = kind

    def is_there(self) -> bool:
        """Whether the Secret has any key."""
        return any(not path.name.startswith("..") for path in self._folder.glob("*"))

    def keys(self) -> list[str]:
        """Return the keys; names that start with `..` are the kubelet's own. Raises SecretMissing."""
        found = sorted(path.name for path in self._folder.glob("*") if not path.name.startswith(".."))
        if not found:
            raise HoldfastError(
                Reason.SECRET_MISSING,
                f"{self._kind} {self.name} does not exist in this namespace, or is empty",
                f"create the {self._kind} (kubectl get {self._kind.lower()} {self.name} shows it), then create "
                "another backup",
            )
        return found

    def read(self, key: str) -> str:
        """Return a key's value, without the newline that editors and `echo` leave at its end.

        Raises SecretMissing, SecretKeyMissing, or SecretInvalid where the value is no text.
        """
        keys = self.keys()
        if key not in keys:
            raise HoldfastError(
                Reason.SECRET_KEY_MISSING,
                f"{self._kind} {self.name} has no key {key}; it has {', '.join(keys)}",
                f"add the key {key} to the {self._kind}, or set the name of the right key in the policy",
            )
        try:
            return strip_newline((self._folder / key).read_bytes().decode())
        except UnicodeDecodeError:
            raise self.invalid(key, "is not UTF-8 text") from None

    def path(self, key: str) -> Path:
        """Return the file of a key. Raises SecretMissing or SecretKeyMissing."""
        self.read(key)
        return self._folder / key

    def invalid(self, key: str, what: str) -> HoldfastError:
        """Make the error for a value that cannot be used; `what` says why, without the value."""
        return HoldfastError(
            Reason.SECRET_INVALID,
            f"{self._kind} {self.name}, key {key}: the value {what}",
            f"correct {key} in the {self._kind}",
        )


def strip_newline(value: str) -> str:
    r"""Remove the line end (`\n` or `\r\n`) at the end of a Secret's value; other white space may be meant."""
    return value.rstrip("\r\n")


def pgpass_line(password: str) -> str:
    r"""Write a line of a pgpass file that holds for every host and user: `:` and `\` are escaped.

    https://www.postgresql.org/docs/current/libpq-pgpass.html. Raises ValueError for what a line cannot carry.
    """
    if any(character in password for character in "\n\r\0"):
        raise ValueError("has a line break or a NUL, which PostgreSQL's password file cannot contain")
    return "*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:") + "\n"


def service(name: str, user: str) -> str:
    r"""Write a service file of libpq's that names the user (https://www.postgresql.org/docs/current/libpq-pgservice.html).

    Raises ValueError for what a line of it cannot carry.
    """
    if any(character in user for character in "\n\r\0") or user != user.rstrip() or len(user.encode()) > MAX_USER:
        raise ValueError(
            f"is not a valid user name: it ends in a space, has a line break, or has more than {MAX_USER} bytes"
        )
    return f"[{name}]\nuser={user}\n"


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read (libpq ignores a pgpass that others may)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
