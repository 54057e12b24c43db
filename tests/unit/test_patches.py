"""Only what changed is written: the patch, applied as RFC 7386 says, gives the new object."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.reconcile.patches import merge_patch

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
