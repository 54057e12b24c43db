"""How a backup is taken is looked up in one table, of what is decided and of what its Jobs are told."""

import pytest
from tests.builders import a_begun_backup, a_policy, a_success, an_rds_policy, settings
from tests.unit.test_decide_plausible import a_snapshot

from holdfast.api import policy
from holdfast.api.policy import VerificationLevel
from holdfast.decide.methods.choose import METHODS as DECIDED
from holdfast.decide.resolve import resolve
from holdfast.errors import HoldfastError, Reason
from holdfast.manifests.methods import METHODS as TOLD

SNAPSHOT = DECIDED[policy.Method.AWS_RDS]
DUMP = DECIDED[policy.Method.DUMP]


def test_each_method_is_in_both_tables():
    assert list(DECIDED) == list(TOLD) == list(policy.Method)


def test_each_method_knows_its_reports_by_kinds_of_its_own():
    kinds = [kind for method in DECIDED.values() for kind in method.kinds]
    assert len(set(kinds)) == len(kinds) == 3 * len(DECIDED)


def test_a_snapshot_that_is_found_is_not_said_to_be_new():
    found = a_success().backup.model_copy(update={"found": True})
    assert SNAPSHOT.achieved(found, None, "5s") == "found and verified: snapshot"
    assert SNAPSHOT.achieved(a_success().backup, "5 GB", "5s") == "snapshot (5 GB) available after 5s"


@pytest.mark.parametrize(
    ("of", "told"),
    [(an_rds_policy(), None), (a_policy(method="aws-rds"), a_snapshot())],
    ids=["the report names none", "the status no longer says of what"],
)
def test_a_snapshot_is_believed_where_it_and_what_it_is_of_are_both_named(of, told):
    result = a_success(snapshot=told).backup
    begun = a_begun_backup(resolved=resolve(of, settings())).begun
    assert SNAPSHOT.wrong(result, begun) == "the report names no snapshot"


@pytest.mark.parametrize("level", VerificationLevel)
def test_a_dump_is_verified_by_the_level_that_is_asked_for_and_a_snapshot_by_none(level):
    assert DUMP.level(level, a_policy()) is level
    with pytest.raises(HoldfastError) as caught:
        SNAPSHOT.level(level, an_rds_policy())
    assert caught.value.reason is Reason.VERIFICATION_REFUSED


def test_without_a_word_a_dump_is_verified_as_its_policy_says():
    assert DUMP.level(None, a_policy(verification={"level": "readback"})) is VerificationLevel.READBACK
    assert SNAPSHOT.level(None, an_rds_policy()) is None
