"""Names that others go by: each fits where it is used, and no two restores share one."""

import pytest

from holdfast import naming


@pytest.mark.parametrize("database", ["o", "orders", "o" * 63, "ö" * 31, "名" * 21])
@pytest.mark.parametrize("restore", ["r", "back-to-monday", "r" * 63])
def test_what_lies_beside_a_target_fits_and_is_this_restores_alone(database: str, restore: str):
    names = naming.beside(database, restore, "uid-1", 63)
    others = naming.beside(database, restore, "uid-2", 63)

    assert all(len(name.encode()) <= 63 for name in (*names, *others))
    assert len({*names, *others, database}) == 5
    assert names == naming.beside(database, restore, "uid-1", 63)


def test_a_short_name_is_one_that_people_know_again():
    fresh, old = naming.beside("orders", "back", "uid-1", 63)
    assert fresh.startswith("orders_restoring_")
    assert old.startswith("orders_before_back_")


@pytest.mark.parametrize("name", ["back", "b" * 63])
def test_the_way_back_has_a_name_of_its_own_that_fits(name: str):
    undo = naming.undo_name(name)
    assert undo != name
    assert undo.endswith("-undo")
    assert len(undo) <= naming.MAX_NAME
