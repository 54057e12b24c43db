"""What a look begins with, before anything was found out: nothing is taken for known, forbidden or somebody else's."""

import pytest

from holdfast.decide.decision import Rest
from holdfast.kube.kinds import BACKUPS
from holdfast.reconcile.sight import Known, Row, Sight


def test_a_reconcile_begins_with_nothing_known():
    known = Known()
    assert (known.refused, known.claim, known.source) == ({}, None, None)
    assert (known.pods_listed, known.terminating, known.unauthorized) == (False, False, False)


def test_a_look_at_a_kind_without_jobs_brings_none():
    sight = Sight("shop", Rest(None))
    assert (sight.works, sight.wakes, sight.claim_name, sight.source_name) == ({}, (), None, None)
    with pytest.raises(NotImplementedError, match="a kind without Jobs has none for dump"):
        sight.job_of("dump")


def test_a_kind_is_ours_unless_its_row_says_otherwise():
    assert Row(BACKUPS, lambda *_: Sight("shop", Rest(None))).foreign is False
