"""PostgreSQL: its connection, its dumps in three formats, its restores."""
