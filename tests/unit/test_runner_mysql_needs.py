"""What a MySQL or MariaDB dump does not hold is recorded, and asked of a target before anything is restored."""

from pathlib import Path

import pytest

from holdfast.api.database import Engine, TLSMode
from holdfast.contract.needs import ManifestNeed, NeedKind, sentence
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import needs, server, target_needs
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.flavour import FLAVOURS
from holdfast.runner.pod.stop import Stop

TARGET = Target(FLAVOURS[Engine.MYSQL], "db", "3306", "u", "copy", TLSMode.PREFER, Path("/c.cnf"))
ANSWERS = [
    ["database", "latin1", "latin1_bin"],
    ["definer", "root@localhost"],
    ["definer", "od`d@a@b"],
    ["unkeyed", "c", "child"],
    ["unkeyed", "lost", "child"],
    ["orphan", "lost", "child", "gone"],
    ["foreign", "f", "t", "other", "parent"],
    ["names", "0"],
]
DENIED = (
    "ERROR 1227 (42000) at line 1: Access denied; you need (at least one of) the {} privilege(s) for this operation"
)


def a_need(kind: NeedKind, name: str, value: str | None = None) -> ManifestNeed:
    return ManifestNeed.of_server(kind, name, value, run="DROP DATABASE `orders`; -- of whoever writes to the bucket")


@pytest.fixture
def said(monkeypatch):
    """Answer each question by the first row whose key is in it; return what was asked."""
    asked = []

    def answer(**answers):
        def look(_target, question, _stop):
            asked.append(question)
            found = next((each for key, each in answers.items() if key in question), [])
            if not isinstance(found, str):
                return found
            raise ValueError(found)

        monkeypatch.setattr(server, "look", look)
        return asked

    return answer


def test_what_a_restore_needs_is_recorded_with_the_statement_that_provides_it():
    found, warnings = needs.found(ANSWERS, "or`ders")
    assert [(need.kind, need.name, need.value, need.run, need.required) for need in found] == [
        ("Collation", "latin1_bin", "latin1",
         "ALTER DATABASE `or``ders` CHARACTER SET latin1 COLLATE latin1_bin;", False),
        ("Account", "root@localhost", None, "CREATE USER IF NOT EXISTS `root`@`localhost`;", False),
        ("Account", "od`d@a@b", None, "CREATE USER IF NOT EXISTS `od``d@a`@`b`;", False),
        ("ServerSetting", "restrict_fk_on_non_standard_key", "OFF",
         "SET GLOBAL restrict_fk_on_non_standard_key = OFF;", False),
        ("ServerSetting", "lower_case_table_names", "0", None, False),
    ]  # fmt: skip
    assert found[3].of == "c of child"
    assert len(warnings) == 2
    assert "f of t (to other.parent)" in warnings[0]
    assert "lost of child" in warnings[1]


def test_an_account_is_told_as_one():
    assert "the definer, a user, a@b is not in the dump" in sentence(a_need(NeedKind.ACCOUNT, "a@b"))


def test_the_empty_target_gets_the_collation_of_the_database_that_was_dumped(said):
    asked = said(collation_database=[["collation", "utf8mb4", "utf8mb4_bin"]])
    assert target_needs.require(TARGET, [a_need(NeedKind.COLLATION, "latin1_bin", "latin1")], Stop()) == []
    assert asked[-1].endswith("; ALTER DATABASE `copy` CHARACTER SET latin1 COLLATE latin1_bin;")
    assert "orders" not in "".join(asked)


@pytest.mark.parametrize(
    "name", ["latin1_bin; DROP DATABASE x", "`a`", "", "a b"], ids=["a statement", "quoted", "nothing", "two words"]
)
def test_a_collation_that_is_no_word_is_not_said_to_the_server(said, name):
    asked = said()
    target_needs.require(TARGET, [a_need(NeedKind.COLLATION, name, "latin1")], Stop())
    assert asked == []


def test_a_target_that_has_the_collation_is_left_alone(said):
    asked = said(collation_database=[["collation", "latin1", "latin1_bin"]])
    target_needs.require(TARGET, [a_need(NeedKind.COLLATION, "latin1_bin", "latin1")], Stop())
    assert [question for question in asked if "ALTER" in question] == []


def test_a_server_that_does_not_know_the_collation_is_refused_before_anything_is_restored(said):
    said(**{"ALTER DATABASE": "ERROR 1273 (HY000) at line 1: Unknown collation: 'utf8mb4_0900_bin'"})
    with pytest.raises(HoldfastError, match="cannot be changed to it: ERROR 1273") as caught:
        target_needs.require(TARGET, [a_need(NeedKind.COLLATION, "utf8mb4_0900_bin", "utf8mb4")], Stop())
    assert caught.value.reason is Reason.TARGET_NOT_READY
    assert caught.value.remedy.startswith("run ALTER DATABASE `copy` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;")


def test_definers_that_the_user_may_not_name_are_told_with_the_rights_that_the_server_asks_for(said):
    said(**{"`root`@`localhost`": DENIED.format("SYSTEM_USER"), "`app`@`%`": DENIED.format("SUPER, SET_ANY_DEFINER")})
    accounts = [a_need(NeedKind.ACCOUNT, name) for name in ("app@%", "root@localhost", "me@%")]
    with pytest.raises(HoldfastError, match="with the definer app@%, root@localhost") as caught:
        target_needs.require(TARGET, accounts, Stop())
    assert caught.value.reason is Reason.TARGET_NOT_READY
    assert caught.value.remedy.startswith("GRANT SET_ANY_DEFINER, SYSTEM_USER ON *.* TO the restore's user;")


def test_definers_who_are_not_there_are_a_warning(said):
    said(**{"`gone`@`x`": [["Note", "1449", "The user specified as a definer ('gone'@'x') does not exist"]]})
    accounts = [a_need(NeedKind.ACCOUNT, name) for name in ("gone@x", "there@x")]
    (warning,) = target_needs.require(TARGET, accounts, Stop())
    assert "until the user exists: gone@x" in warning


@pytest.mark.parametrize(
    ("error", "there", "refused"),
    [
        ("ERROR 1193 (HY000): Unknown system variable 'restrict_fk_on_non_standard_key'", [], False),
        (DENIED.format("SESSION_VARIABLES_ADMIN"), [["0"]], False),
        (DENIED.format("SESSION_VARIABLES_ADMIN"), [["1"]], True),
    ],
    ids=["an older server", "off for all", "on, and not for the user to change"],
)
def test_keys_that_are_not_unique_are_refused_only_where_nobody_allows_them(said, error, there, refused):
    said(**{"set session": error, "select @@restrict_fk_on_non_standard_key": there, "select @@": there})
    unkeyed = [a_need(NeedKind.SERVER_SETTING, needs.UNKEYED, "OFF")]
    if not refused:
        assert target_needs.require(TARGET, unkeyed, Stop()) == []
        return
    with pytest.raises(HoldfastError, match="keys that are not unique") as caught:
        target_needs.require(TARGET, unkeyed, Stop())
    assert caught.value.remedy.startswith("SET GLOBAL restrict_fk_on_non_standard_key = OFF")


def test_a_server_that_folds_the_case_of_names_is_a_warning(said):
    said(**{"'names'": [["names", "1"]]})
    (warning,) = target_needs.require(TARGET, [a_need(NeedKind.SERVER_SETTING, needs.NAMES, "0")], Stop())
    assert "lower_case_table_names is 1 on this server, but was 0" in warning
