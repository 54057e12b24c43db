"""SQLite: a file on a claim, copied by the online backup, checked, and put back whole."""
