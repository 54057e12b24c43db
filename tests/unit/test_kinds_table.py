"""Whose status Holdfast writes a fault into: that of its own kinds, and of no other's object that it acts for."""

from holdfast.kube.kinds import BACKUPS, MIGRATION_JOBS, POLICIES, RESTORES
from holdfast.reconcile.kinds.table import KINDS, TABLE


def test_migration_jobs_are_reconciled_and_are_no_kind_of_ours():
    assert {row.kind for row in TABLE} == {BACKUPS, POLICIES, RESTORES, MIGRATION_JOBS}
    assert set(KINDS) == {BACKUPS, POLICIES, RESTORES}
