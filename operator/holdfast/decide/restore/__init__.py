"""What to do about a DatabaseRestore."""
