"""What the operator exports about itself and the backups. Counts of resources are read from the cache when asked.

A standby exports `holdfast_leader 0` and nothing about resources: it has seen none.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from prometheus_client import Gauge, Info, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast import __version__
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads

LEADER = Gauge("holdfast_leader", "1 while this replica leads, else 0.")
BUILD = Info("holdfast_build", "The operator's version.")
BUILD.info({"version": __version__})


class BackupCollector(Collector):
    """Figures of the backups, by namespace and policy; backups without a policy have the policy ''."""

    def __init__(self, cache: Cache) -> None:
        """Take what to read."""
        self._cache = cache

    def describe(self) -> list[Metric]:
        """Return nothing: names are known only with the figures, and registering must not read the cache."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the cache."""
        labels = ["namespace", "policy"]
        counts = GaugeMetricFamily("holdfast_backups", "Backups by phase.", labels=[*labels, "phase"])
        counted = Counter((*_labels(it), it.phase) for it in self._cache.backups.all())
        for key, count in counted.items():
            counts.add_metric(key, count)
        yield counts
        yield from self._last_successes(labels)

    def _last_successes(self, labels: list[str]) -> Iterator[Metric]:
        stamp = GaugeMetricFamily(
            "holdfast_backup_last_success_timestamp_seconds",
            "Time when the last good backup was completed.",
            labels=labels,
        )
        size = GaugeMetricFamily(
            "holdfast_backup_last_size_bytes", "Stored size of the last good backup.", labels=labels
        )
        took = GaugeMetricFamily(
            "holdfast_backup_last_duration_seconds", "How long the Job of the last good backup ran.", labels=labels
        )
        for key, (completed, backup) in self._last().items():
            stamp.add_metric(key, completed.timestamp())
            size.add_metric(key, backup.size_bytes)
            took.add_metric(key, backup.duration_seconds)
        yield from (stamp, size, took)

    def _last(self) -> dict[tuple[str, str], tuple[datetime, Backup]]:
        last: dict[tuple[str, str], tuple[datetime, Backup]] = {}
        for backup in self._cache.backups.all():
            completed = backup.completed_at
            if not backup.good or completed is None:
                continue
            key = _labels(backup)
            if key not in last or last[key][0] < completed:
                last[key] = (completed, backup)
        return last


def _labels(backup: Backup) -> tuple[str, str]:
    return backup.namespace, backup.policy_name or ""
