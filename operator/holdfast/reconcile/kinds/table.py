"""The kinds that Holdfast reconciles, one row each: loop, cache, watches, faults and the slow look go by this table."""

from holdfast.reconcile.kinds import backup, policy, restore

TABLE = (backup.ROW, policy.ROW, restore.ROW)
KINDS = tuple(row.kind for row in TABLE)
