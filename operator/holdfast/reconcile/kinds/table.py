"""The kinds that Holdfast reconciles, one row each: loop, cache, watches, faults and the slow look go by this table."""

from holdfast.reconcile.kinds import backup, gate, policy, restore

TABLE = (backup.ROW, policy.ROW, restore.ROW, gate.ROW)
KINDS = tuple(row.kind for row in TABLE if not row.foreign)
