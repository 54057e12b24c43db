"""Only what changed is written: the patch, applied as RFC 7386 says, gives the new object."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.reconcile.patches import dropped, merge_patch

values = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2)),
    lambda inner: st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=2), values, max_size=4)


def applied(target, patch):
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = applied(result.get(key), value)
    return result


@given(objects, objects)
def test_the_patch_turns_the_old_object_into_the_new_one(old, new):
    assert applied(old, merge_patch(old, new)) == new


@given(objects)
def test_nothing_changed_is_nothing_to_write(same):
    assert merge_patch(same, same) == {}


@given(objects, objects)
def test_what_a_server_has_kept_is_not_said_to_be_dropped(old, new):
    patch = merge_patch(old, new)
    assert list(dropped(patch, applied(old, patch), "status")) == []


@pytest.mark.parametrize(
    ("written", "answer", "path"),
    [
        ({"a": 1, "b": 2}, {"b": 2}, "status.a"),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {}}}, "status.a.b.c"),
        ({"a": [{"b": 1}, {"b": 2, "c": 3}]}, {"a": [{"b": 1}, {"b": 2}]}, "status.a[1].c"),
    ],
    ids=["a field", "deeper", "of an item of a list"],
)
def test_what_a_server_has_dropped_is_named_by_its_path(written, answer, path):
    assert list(dropped(written, answer, "status")) == [path]


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ({"a": {"b": 1}}, {"a": "of another form"}),
        ({"a": [1, 2]}, {"a": {"b": 1}}),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]}),
        ({"a": {"b": None}}, {"a": {}}),
        ({"a": {}}, {"a": [{"b": 1}]}),
        ({"a": 5}, {"a": [1]}),
        ({"a": [1]}, {"a": 5}),
    ],
    ids=[
        "a text for an object",
        "an object for a list",
        "a shorter list",
        "what was taken away",
        "a list for an object",
        "a list for a number",
        "a number for a list",
    ],
)
def test_an_answer_of_any_form_is_read(written, answer):
    assert list(dropped(written, answer, "status")) == []


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1}, "z": 1}, {"a": {"b": 1}, "z": 2}, {"z": 2}),
        ({"a": 1, "b": 2}, {"b": 2}, {"a": None}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
    ],
    ids=[
        "one field of an object",
        "beside an object",
        "one that is gone",
        "an object for a number",
        "a number for one",
    ],
)
def test_nothing_but_what_changed_is_written(old, new, patch):
    assert merge_patch(old, new) == patch
