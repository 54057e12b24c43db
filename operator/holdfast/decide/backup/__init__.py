"""One DatabaseBackup: what to do about it now, and how each of its states reads."""
