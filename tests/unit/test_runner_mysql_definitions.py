"""What a restored MySQL or MariaDB database is made of is compared with the dump that was fed into it."""

import pytest

from holdfast.runner.engines.mysql.definitions import Seen, _compare
from holdfast.runner.engines.mysql.only_target import Definitions, for_target

DUMP = """/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `t` (
  `a` int NOT NULL AUTO_INCREMENT,
  `b` varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT nextval(`orders`.`s`)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4;
INSERT INTO `t` VALUES (1,'CREATE TABLE `u` (');
CREATE SEQUENCE `s` start with 1 minvalue 1;
/*!50001 CREATE VIEW `v` AS SELECT
 1 AS `a`*/;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `b``i` BEFORE INSERT ON `t` FOR EACH ROW
  SET NEW.b = 'x' */;;
CREATE DEFINER=`root`@`localhost` PROCEDURE `p`() SELECT 1 ;;
CREATE DEFINER=`root`@`localhost` FUNCTION `f`() RETURNS int RETURN 1 ;;
CREATE DEFINER=`root`@`localhost` EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE DO SELECT 1 ;;
DELIMITER ;
/*!50001 DROP VIEW IF EXISTS `v`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `v` AS select `orders`.`f`(1) AS `a` */;
"""
NAMES = [
    "table `t`", "sequence `s`", "trigger `b``i`", "procedure `p`", "function `f`", "event `e`", "view `v`",
]  # fmt: skip


def defined(script: str, source: str = "orders", target: str = "copy") -> Definitions:
    found: Definitions = {}
    b"".join(for_target([script.encode()], source, target, set(), found))
    return found


def compared(there: Definitions, alike: bool = True) -> Seen:
    seen = Seen()
    _compare(seen, defined(DUMP), there, alike=alike)
    return seen


def test_all_that_a_dump_makes_is_noted_by_its_name():
    assert list(defined(DUMP)) == NAMES


@pytest.mark.parametrize(
    ("was", "now"),
    [
        pytest.param(" AUTO_INCREMENT=7", " AUTO_INCREMENT=9", id="the next number"),
        pytest.param(" CHARACTER SET utf8mb4 COLLATE", " COLLATE", id="a character set that the collation has"),
        pytest.param(" ENABLE ", " DISABLE ", id="an event that was put to sleep"),
        pytest.param("(1,'CREATE", "(2,'CREATE", id="rows"),
    ],
)
def test_what_a_target_has_by_right_is_no_difference(was: str, now: str):
    its_own = DUMP.replace("`orders`.", "`copy`.")
    assert was in its_own
    seen = compared(defined(its_own.replace(was, now), "copy"))
    assert (seen.faults, seen.warnings, seen.looked_at) == ([], [], ["schema"])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_a_fault_but_an_event_may_be_over(name: str):
    there = defined(DUMP)
    del there[name]
    seen = compared(there, alike=False)
    if name == "event `e`":
        assert (seen.faults, seen.warnings) == ([], ["these do not exist, as if their time were over: event `e`"])
    else:
        assert (seen.faults, seen.warnings) == ([f"{name} does not exist"], [])
    assert seen.looked_at == []


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_what_stands_in_for_a_view_until_all_tables_are_there_is_none(kind: str):
    stand_in = "(\n `a` tinyint\n) ENGINE=MyISAM" if kind == "TABLE" else "AS SELECT\n 1 AS `a`"
    script = f"/*!50001 CREATE {kind} `v` {stand_in} */;\n/*!50001 DROP {kind} IF EXISTS `v`*/;\n"
    assert defined(script) == {}
    assert list(defined(script + "/*!50001 CREATE ALGORITHM=MERGE VIEW `v` AS select 1 AS `a` */;\n")) == ["view `v`"]


def test_a_server_may_write_all_names_in_small_letters():
    script = "CREATE TABLE `Orders` (\n  `a` int\n);\n"
    seen = Seen()
    _compare(seen, defined(script), defined(script.lower().replace("create table", "CREATE TABLE")), alike=True)
    assert (seen.faults, seen.warnings) == ([], [])


@pytest.mark.parametrize(
    ("was", "now", "name"),
    [
        pytest.param("`a` int NOT", "`a` bigint NOT", "table `t`", id="a column"),
        pytest.param("ENGINE=InnoDB", "ENGINE=MyISAM", "table `t`", id="an engine"),
        pytest.param("NEW.b = 'x'", "NEW.b = 'y'", "trigger `b``i`", id="a trigger's body"),
        pytest.param("`orders`.`f`(1) AS", "2 AS", "view `v`", id="a view"),
    ],
)
def test_what_the_same_server_and_tool_word_otherwise_is_named(was: str, now: str, name: str):
    there = defined(DUMP.replace(was, now))
    seen = compared(there)
    assert seen.warnings == [
        f"the server defines these in other words than the dump, so compare them with the original: {name}"
    ]
    assert (seen.faults, seen.looked_at) == ([], [])
    other = compared(there, alike=False)
    assert (other.faults, other.warnings, other.looked_at) == ([], [], [])
