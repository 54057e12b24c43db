"""What the operator exports about itself and the backups. Counts of resources are read from the cache when asked.

A standby exports `holdfast_leader 0` and nothing about resources: it has seen none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client import Gauge, Info, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast import __version__
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.untrusted import mapping, moment

Labels = tuple[str, str]  # namespace, policy

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
        last = self._last()
        for key, completed in self._remembered(last).items():
            stamp.add_metric(key, completed.timestamp())
        for key, (_, backup) in last.items():
            size.add_metric(key, backup.size_bytes)
            took.add_metric(key, backup.duration_seconds)
        yield from (stamp, size, took)

    def _remembered(self, last: Mapping[Labels, tuple[datetime, Backup]]) -> dict[Labels, datetime]:
        """Return when the last good backup was completed, also where its resource is gone: its policy tells of it."""
        found = {key: completed for key, (completed, _) in last.items()}
        for policy in self._cache.policies.all():
            told = moment(mapping(policy.status.get("lastSuccess")).get("completedAt"))
            if told is not None:
                found.setdefault((policy.namespace, policy.name), told)
        return found

    def _last(self) -> dict[Labels, tuple[datetime, Backup]]:
        """Return the last good backup of each policy that is there: what is alerted on goes with its policy."""
        last: dict[Labels, tuple[datetime, Backup]] = {}
        for backup in self._cache.backups.all():
            completed = backup.completed_at
            if not backup.good or completed is None:
                continue
            key = _labels(backup)
            if backup.policy_name and self._cache.policy(*key) is None:
                continue
            if key not in last or last[key][0] < completed:
                last[key] = (completed, backup)
        return last


def _labels(backup: Backup) -> Labels:
    return backup.namespace, backup.policy_name or ""
