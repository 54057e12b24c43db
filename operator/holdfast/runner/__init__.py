"""What runs in a Job's Pod: one task in, one report out. It never talks to the API server."""
