"""What the operator exports about policies: an inventory, so that one that never had a good backup can be alerted on.

Everything is read from the cache when it is asked for, so a policy's series go with it.
"""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.api.policy import Method
from holdfast.api.schedule import Missed
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.resource import Resource
from holdfast.untrusted import mapping, mappings, moment, number, word

LABELS = ["namespace", "policy"]
_REASONS = frozenset(map(str, Missed))


class PolicyCollector(Collector):
    """Figures of the policies that are there."""

    def __init__(self, cache: Cache) -> None:
        """Take what to read."""
        self._cache = cache

    def describe(self) -> list[Metric]:
        """Return nothing: names are known only with the figures, and registering must not read the cache."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the cache."""
        policies = list(self._cache.policies.all())
        yield self._inventory(policies)
        created = GaugeMetricFamily(
            "holdfast_policy_created_timestamp_seconds", "Time when the policy was created.", labels=LABELS
        )
        expected = GaugeMetricFamily(
            "holdfast_policy_expected_interval_seconds",
            "Longest time between two backups in a row that the schedule asks for.",
            labels=LABELS,
        )
        following = GaugeMetricFamily(
            "holdfast_policy_next_run_timestamp_seconds",
            "Time when the next scheduled backup is due. In the past if the backup is due but not created.",
            labels=LABELS,
        )
        for policy in policies:
            created.add_metric(labels_of(policy), policy.created.timestamp())
            if interval := _interval(policy):
                expected.add_metric(labels_of(policy), interval)
            if due := _next_run(policy):
                following.add_metric(labels_of(policy), due.timestamp())
        yield from (created, expected, following, self._missed(policies))

    def _inventory(self, policies: list[Resource]) -> Metric:
        found = InfoMetricFamily("holdfast_policy", "1 for each policy.", labels=LABELS)
        for policy in policies:
            database = mapping(policy.spec.get("database"))
            about = {
                "environment": word(policy.spec.get("environment")),
                "method": word(policy.spec.get("method")) or Method.DUMP.value,
                "engine": word(database.get("engine")),
            }
            found.add_metric(labels_of(policy), about)
        return found

    def _missed(self, policies: list[Resource]) -> Metric:
        found = CounterMetricFamily(
            "holdfast_policy_missed_runs_total",
            "Scheduled backups that were not taken, by reason.",
            labels=[*LABELS, "reason"],
        )
        for policy in policies:
            counts = {
                reason: number(each.get("count"))
                for each in mappings(mapping(policy.status.get("schedule")).get("missed"))
                if (reason := word(each.get("reason"))) in _REASONS  # others would make a label of a stranger's
            }
            for reason, count in counts.items():
                found.add_metric([*labels_of(policy), reason], count)
        return found


def labels_of(policy: Resource) -> list[str]:
    """Return what its series are known by."""
    return [policy.namespace, policy.name]


def _interval(policy: Resource) -> int:
    """Return the seconds between two backups that may be; 0 where none is expected."""
    schedule = mapping(policy.status.get("schedule"))
    return 0 if schedule.get("suspended") is True else number(schedule.get("intervalSeconds"))


def _next_run(policy: Resource) -> datetime | None:
    runs = policy.status.get("nextRuns")
    return moment(runs[0]) if isinstance(runs, list) and runs else None
