"""The work queue: keys in, one reconcile a key at a time, backoff a key on error. It knows nothing of what is done."""

from typing import NamedTuple


class Key(NamedTuple):
    """What to reconcile: a kind (`DatabaseBackup`, `BackupPolicy`), its namespace and its name."""

    kind: str
    namespace: str
    name: str


class WorkQueue:
    """Keys that wait for their reconcile; a key stands in it once, and is worked on by one worker at a time."""

    def add(self, key: Key, after: float = 0) -> None:
        """Have the key reconciled, at the earliest after so many seconds. The sooner of two calls counts."""
        raise NotImplementedError
