"""What kopf would keep in annotations: nothing. Its event handlers have no progress and no former state.

With its own storages kopf copies every object of every event to compare it with its annotation, though no handler of
ours asks for that: more time than all the rest of an event. With these it cannot even write by mistake.
"""

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no former state."""

    def build(self, **_: object) -> kopf.BodyEssence:
        """Return nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, **_: object) -> kopf.BodyEssence | None:
        """Return nothing: none is kept."""
        return None

    def store(self, **_: object) -> None:
        """Refuse: it would be written to somebody's object."""
        raise NotImplementedError("kopf has nothing to store")


class NoProgress(kopf.ProgressStorage):
    """Remembers no handler's progress."""

    def fetch(self, **_: object) -> kopf.ProgressRecord | None:
        """Return nothing: none is kept."""
        return None

    def store(self, **_: object) -> None:
        """Refuse: it would be written to somebody's object."""
        raise NotImplementedError("kopf has nothing to store")

    purge = touch = store

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Return the essence as it is: there is no progress in it."""
        return essence

    def flush(self) -> None:
        """Keep nothing back."""
