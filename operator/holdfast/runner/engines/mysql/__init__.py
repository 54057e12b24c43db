"""Everything that is MySQL's and MariaDB's: client programs of two families, one way of working."""
