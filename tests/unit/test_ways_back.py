"""What `make test` takes of the product of round trips leaves out no value, and of three formats no pair."""

from itertools import chain, combinations

from tests.integration.runner.ways_back import each_pair, each_value, kinds, product

FORMS = ("sql", "custom", "directory")


def pairs(ways):
    return set(chain.from_iterable(combinations(kinds(way), 2) for way in ways))


def test_each_pair_of_values_is_in_the_cut_of_three_formats():
    cut = each_pair(FORMS)
    assert len(cut) == 9
    assert cut <= set(product(FORMS))
    assert pairs(cut) == pairs(product(FORMS))


def test_each_value_is_in_the_cut_of_one_format():
    cut = each_value("sql")
    assert len(cut) == 3
    assert set(chain.from_iterable(map(kinds, cut))) == set(chain.from_iterable(map(kinds, product(["sql"]))))
