"""Sample data that looks like a shop's, made within the server: about 250 MB there at scale 1, a few seconds."""

from pathlib import Path

from tests.stack.postgres import psql

SQL = Path(__file__).with_name("sample_data.sql")


def load_sample(namespace: str, deployment: str, database: str = "orders", scale: float = 1.0) -> bool:
    """Fill the database; all of it or nothing. Returns False where the sample was there already."""
    there = psql(namespace, deployment, "select to_regclass('public.customers') is not null", database)
    if there.strip() == "t":
        return False
    # one transaction: half a sample is never there to be taken for the whole
    script = f"\\set scale {scale}\nbegin;\n{SQL.read_text()}\ncommit;\nanalyze;\n"
    psql(namespace, deployment, script, database, timeout=900)
    return True
