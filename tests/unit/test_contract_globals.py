"""The form of what lies beside a dump: what it leaves out goes without saying, and it is read in bounded time."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from holdfast.contract.globals import GlobalGrant, GlobalMembership, GlobalRole, Globals

LEAST = {"version": 1, "engine": "postgresql", "database": "orders"}
GRANT: dict[str, Any] = {}
OBJECT = {"kind": "table", "names": ["public", "orders"]}
DEFAULTS = {"role": "shop", "kind": "tables", "grants": []}


def test_a_role_of_which_nothing_is_said_may_do_nothing_of_its_own():
    assert GlobalRole(name="reader").to_dict() | {"settings": [], "serverPrivileges": []} == {
        "name": "reader",
        "login": False,
        "inherit": True,
        "superuser": False,
        "createRole": False,
        "createDB": False,
        "replication": False,
        "bypassRLS": False,
        "connectionLimit": -1,
        "settings": [],
        "serverPrivileges": [],
    }


def test_a_right_of_which_nothing_is_said_is_given_to_everybody_as_it_is_and_not_on():
    grant, membership = GlobalGrant(), GlobalMembership(role="a", member="b")
    assert (grant.to, grant.to_owner, grant.privileges, grant.grantable) == (None, False, [], [])
    assert (membership.admin, membership.inherit, membership.set_role, membership.default) == (False, None, None, False)


def test_only_what_does_not_go_without_saying_is_written():
    said = {
        "roles": [{"name": "reader", "createDB": True, "bypassRLS": True}],
        "defaults": [DEFAULTS | {"schema": "public"}, DEFAULTS],
    }
    there = Globals.model_validate(LEAST | said)
    assert json.loads(there.to_json()) == LEAST | said
    assert Globals.parse(there.to_json()) == there


LISTS = {
    "settings": lambda wrong: {"settings": wrong},
    "roles": lambda wrong: {"roles": wrong},
    "a role's settings": lambda wrong: {"roles": [{"name": "r", "settings": wrong}]},
    "a role's privileges": lambda wrong: {"roles": [{"name": "r", "serverPrivileges": wrong}]},
    "memberships": lambda wrong: {"memberships": wrong},
    "grants": lambda wrong: {"grants": wrong},
    "a grant's privileges": lambda wrong: {"grants": [GRANT | {"privileges": wrong}]},
    "what may be granted": lambda wrong: {"grants": [GRANT | {"grantable": wrong}]},
    "objects": lambda wrong: {"objects": wrong},
    "an object's names": lambda wrong: {"objects": [OBJECT | {"names": wrong}]},
    "an object's arguments": lambda wrong: {"objects": [OBJECT | {"arguments": wrong}]},
    "an object's grants": lambda wrong: {"objects": [OBJECT | {"grants": wrong}]},
    "defaults": lambda wrong: {"defaults": wrong},
    "the grants of defaults": lambda wrong: {"defaults": [DEFAULTS | {"grants": wrong}]},
}


@pytest.mark.parametrize("made", LISTS.values(), ids=LISTS.keys())
def test_reading_ends_at_the_first_item_that_is_wrong_however_many_there_are(made: Any):
    with pytest.raises(ValidationError) as refused:
        Globals.model_validate(LEAST | made([7] * 1000))
    assert refused.value.error_count() == 1
