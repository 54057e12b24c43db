"""What retention keeps and deletes, as figures: read from the policies' statuses, so that they survive a restart."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.api.conditions import ConditionType
from holdfast.process.policy_metrics import LABELS, labels_of
from holdfast.reconcile.cache import Cache
from holdfast.untrusted import mapping, mappings, number

Status = Mapping[str, Any]


def _figure(field: str) -> Callable[[Status], int]:
    return lambda status: number(mapping(status.get("retention")).get(field))


def _held(status: Status) -> int:
    conditions = mappings(status.get("conditions"))
    return int(any((it.get("type"), it.get("status")) == (ConditionType.RETENTION_HELD, "True") for it in conditions))


def _failed(status: Status) -> int:
    return len(mappings(mapping(status.get("retention")).get("retries")))


def _families() -> Iterator[tuple[GaugeMetricFamily | CounterMetricFamily, Callable[[Status], int]]]:
    yield (
        GaugeMetricFamily("holdfast_retention_kept_backups", "Good backups in the store.", labels=LABELS),
        _figure("kept"),
    )
    yield (
        GaugeMetricFamily(
            "holdfast_retention_kept_bytes", "Size of the good backups in the store, in bytes.", labels=LABELS
        ),
        _figure("keptBytes"),
    )
    yield (
        CounterMetricFamily("holdfast_retention_deleted_backups_total", "Backups deleted.", labels=LABELS),
        _figure("deleted"),
    )
    yield (
        GaugeMetricFamily("holdfast_retention_held", "1 while a plan waits for its approval, else 0.", labels=LABELS),
        _held,
    )
    yield (
        GaugeMetricFamily(
            "holdfast_retention_not_deleted",
            "Backups whose data could not be deleted, and whose deletion is tried again.",
            labels=LABELS,
        ),
        _failed,
    )


class RetentionCollector(Collector):
    """Figures of every policy's retention."""

    def __init__(self, cache: Cache) -> None:
        """Take what to read."""
        self._cache = cache

    def describe(self) -> list[Metric]:
        """Return nothing: registering must not read the cache."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the policies that have a status of retention."""
        policies = [each for each in self._cache.policies.all() if "retention" in each.status]
        for family, figure in _families():
            for policy in policies:
                family.add_metric(labels_of(policy), figure(policy.status))
            yield family
