"""Conditions: a transition time tells when something changed, so it moves with the status and with nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.api import conditions
from holdfast.api.conditions import Condition, ConditionType

THEN = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
NOW = THEN + timedelta(hours=1)


def a_condition(kind=ConditionType.READY, status="True"):
    return Condition(
        type=kind, status=status, reason="AllGood", message="All is good.", last_transition_time=THEN,
        observed_generation=1,
    )  # fmt: skip


def updated(old, *new, generation=2):
    return {item.type: item for item in conditions.update(old, new, generation, NOW)}


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        pytest.param("True", True, False, id="still true"),
        pytest.param("False", False, False, id="still false"),
        pytest.param("Unknown", None, False, id="still unknown"),
        pytest.param("True", False, True, id="true, then false"),
        pytest.param("False", True, True, id="false, then true"),
        pytest.param("True", None, True, id="true, then unknown"),
    ],
)
def test_the_transition_time_moves_only_with_the_status(before, after, moves):
    made = updated([a_condition(status=before)], (ConditionType.READY, after, "Other", "Another sentence."))
    assert made["Ready"].last_transition_time == (NOW if moves else THEN)
    assert (made["Ready"].reason, made["Ready"].message) == ("Other", "Another sentence.")
    assert made["Ready"].observed_generation == 2


def test_a_new_condition_begins_now():
    assert updated([], (ConditionType.STALLED, None, "New", "New."))["Stalled"].last_transition_time == NOW


def test_conditions_that_are_not_mentioned_stay_as_they_were():
    old = a_condition(ConditionType.VERIFIED)
    assert updated([old], (ConditionType.READY, True, "Good", "Good."))["Verified"] == old


def test_nothing_new_makes_the_same_list_so_that_nothing_is_written():
    old = [a_condition(ConditionType.READY), a_condition(ConditionType.STALLED, "False")]
    same = [
        (ConditionType.READY, True, "AllGood", "All is good."),
        (ConditionType.STALLED, False, "AllGood", "All is good."),
    ]
    assert conditions.update(old, same, 1, NOW) == old


def test_a_sentence_that_is_too_long_for_the_api_server_is_cut():
    assert len(updated([], (ConditionType.READY, True, "Long", "x" * 5000))["Ready"].message) == 4096
