"""A restore says nothing of another database than its target, whatever the dump says."""

import pytest

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql.only_target import for_target

OLDER = """ALTER DATABASE `orders` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES' */ ;
DELIMITER ;;
CREATE DEFINER="root"@"localhost" PROCEDURE "greet"()
begin select '\\'; use "orders"; select 'a' from "orders"."t"; end ;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
ALTER DATABASE `orders` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci ;
"""
ROWS = r"""INSERT INTO `t` VALUES (1,-1e-10,_binary 'it\'s; \\'),(2,'''',0x41,'-- ;/*#"'),(3,'USE `orders`','\\','');
INSERT INTO `t` (`a`, `b`) VALUES
(1,'a'),
(-2,'it''s \' ; \n');
"""
OWN = """/*!40101 SET NAMES utf8mb4 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
CREATE TABLE `t` (
  `a` int DEFAULT 1.5 COMMENT 'of orders.t; `orders`.`t`',
  CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `u` (`a`)
) ENGINE=InnoDB;
/*!40000 ALTER TABLE `t` DISABLE KEYS */;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 trigger second_one before insert on t for each row
  insert into other.log values (1) */;
/*!50001 DROP VIEW IF EXISTS `v`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `v` AS select `orders`.`id` AS `id` from `orders` where 'x' <> `other`.`f`(1) */;
DO SETVAL(`s`, 5, 0);
"""


def restored(script: str, source: str = "orders", target: str = "copy", size: int = 1 << 20) -> str:
    data = script.encode()
    return b"".join(for_target((data[at : at + size] for at in range(0, len(data), size)), source, target)).decode()


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1 << 20])
@pytest.mark.parametrize("script", [ROWS, OWN, OLDER + ROWS], ids=["rows", "schema", "older routine"])
def test_what_the_tools_write_comes_through_whole_however_it_is_cut(script, size):
    altered = script.replace("ALTER DATABASE `orders` CHARACTER", "ALTER DATABASE `copy` CHARACTER")
    assert restored(script, size=size) == altered


def test_where_a_routine_is_older_than_the_databases_character_set_the_target_is_altered_and_not_the_original():
    altered = restored(OLDER)
    assert altered.count("ALTER DATABASE `copy` ") == 2
    assert "ALTER DATABASE `orders`" not in altered
    assert '"orders"."t"' in altered, "a body is the application's own"


def test_a_name_with_backquotes_is_quoted():
    assert "ALTER DATABASE `a``b` CHARACTER" in restored(OLDER, target="a`b")


@pytest.mark.parametrize(
    ("says", "then"),
    [
        ("CREATE TABLE `t` (`a` int DEFAULT nextval(`orders`.`s`));", "nextval(`copy`.`s`)"),
        ("CREATE ALGORITHM=MERGE VIEW `v` AS select `orders`.`f`(`orders`.`id`) from `orders`;",
         "select `copy`.`f`(`orders`.`id`) from `orders`;"),
    ],
    ids=["a default", "a function that a view calls"],
)  # fmt: skip
def test_what_the_server_names_with_its_database_is_named_with_the_target(says, then):
    assert then in restored(says + "\n")
    assert restored(says + "\n", target="orders") == says + "\n"


@pytest.mark.parametrize(
    "says",
    [
        "USE `orders`;",
        "use orders;",
        "CREATE DATABASE `x`;",
        "DROP DATABASE `orders`;",
        "/*!40000 DROP DATABASE IF EXISTS `orders`*/;",
        "/*!50001 DROP*/ /* x */ DATABASE orders;",
        "ALTER DATABASE `orders` READ ONLY = 1;",
        "DROP TABLE `t`;",
        "DROP TABLE IF EXISTS `orders`.`t`;",
        "DROP TABLE IF EXISTS `t`, `orders`.`t`;",
        "TRUNCATE `orders`.`t`;",
        "INSERT INTO `orders`.`t` VALUES (1);",
        "INSERT INTO `t` SELECT * FROM `orders`.`t`;",
        "INSERT INTO `t` VALUES (1); DROP DATABASE `orders`;",
        "INSERT INTO `t` VALUES (1,'\\\\'); DROP DATABASE `orders`; -- ');",
        "INSERT INTO `t` VALUES (1)/*'*/; DROP DATABASE `orders`; -- ';",
        "INSERT INTO `t` VALUES (1) -- '\n; DROP DATABASE `orders`; -- ';",
        "INSERT INTO `t` VALUES (\"'\"); DROP DATABASE `orders`; -- ';",
        "INSERT INTO `t` VALUES\n(1); DROP DATABASE `orders`;\n(2);",
        "INSERT INTO `t` VALUES\n(1),\n('x;\nDROP DATABASE `orders`;",
        "REPLACE INTO `t` VALUES (1);",
        "UPDATE `orders`.`t` SET a = 1;",
        "CREATE TABLE `orders`.`x` (`a` int);",
        "CREATE TABLE `x` LIKE `other`.`t`;",
        "CREATE TABLE `x` (`a` int) AS SELECT 1;",
        "CREATE TABLE `x` (`a` int, CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `other`.`t` (`a`));",
        "CREATE TABLE `x` (`a` int, CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES other.t (`a`));",
        "CREATE VIEW `other`.`v` AS SELECT 1;",
        "CREATE DEFINER=`a`@`b` PROCEDURE `other`.`p`() SELECT 1;",
        "CREATE FUNCTION `f` RETURNS STRING SONAME 'x.so';",
        "CREATE TRIGGER `t` BEFORE INSERT ON `other`.`t` FOR EACH ROW SET @a = 1;",
        "CREATE USER x;",
        "GRANT ALL ON *.* TO x;",
        "SET GLOBAL sql_mode = '';",
        "SET @a = 1, @@global.read_only = 1;",
        "/*!50003 SET PERSIST x = 1 */;",
        "SET PASSWORD = 'x';",
        "SET SESSION sql_mode = 'ANSI_QUOTES';",
        "SET @a = 1, sql_mode = 'NO_BACKSLASH_ESCAPES';",
        "SET @@session.sql_mode = 'NO_BACKSLASH_ESCAPES';",
        "SET STATEMENT max_statement_time = 1 FOR DROP DATABASE orders;",
        "CALL `orders`.`p`();",
        "DELIMITER //\nDROP DATABASE orders//",
        "DELIMITER //\nSET @a = 1//\nDELIMITER ;",
        "DELIMITER ;|(\nSET @a = 1;|(\nDELIMITER ;",
        "delimiter //\nDROP DATABASE orders//",
        "\\! touch x",
        "source /etc/passwd;",
        "CREATE TABLE `t` (a int \\C gbk);",
        "DROP DATABASE",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [5, 1 << 20])
def test_what_no_dump_tool_writes_is_refused(says, size):
    with pytest.raises(HoldfastError, match=r"the dump (has|changes|ends)") as caught:
        restored(f"CREATE TABLE `first` (`a` int);\n{says}\nUNLOCK TABLES;\n", size=size)
    assert caught.value.reason is Reason.RESTORE_FAILED
    assert len(caught.value.message) < 300
