"""The database engines: what a task needs of one (protocol), which one gives it (choose), what they have in common."""
