"""Sample data that looks like a shop's, made within the server: about 250 MB there at scale 1, a few seconds."""

from pathlib import Path

from tests.stack.postgres import psql

SQL = Path(__file__).with_name("sample_data.sql")


def load_sample(namespace: str, deployment: str, database: str = "orders", scale: float = 1.0) -> bool:
    """Fill the database; all of it or nothing. Returns False where the sample was there already."""
    there = psql(namespace, deployment, "select to_regclass('public.customers') is not null", database)
    if there.strip() == "t":
        return False
    # a transaction of its own would hide nothing but keep half a sample from ever being seen
    psql(namespace, deployment, f"\\set scale {scale}\nbegin;\n{SQL.read_text()}\ncommit;\nanalyze;\n", database)
    return True
