"""The clock task: one task over all due times, instead of a timer an object; and a slow look at every key."""

from datetime import datetime

from holdfast.reconcile.queue import Key


class ClockTask:
    """Puts keys into the queue when they are due."""

    def due(self, key: Key, at: datetime | None) -> None:
        """Have the key reconciled at that time; replaces the key's former due time, None removes it."""
        raise NotImplementedError
