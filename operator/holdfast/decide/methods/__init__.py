"""How a backup is taken: by a dump, or by a snapshot; what decisions have to know of it."""
