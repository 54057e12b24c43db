"""What retention takes a backup for, of which it knows little."""

from tests.builders import NOW

from holdfast.decide.retention.facts import Fact


def test_a_backup_of_which_nothing_was_found_out_is_not_good_and_has_no_size():
    fact = Fact(name="a", uid="u-a", created=NOW)
    assert (fact.sound, fact.size_bytes) == (False, 0)
