"""The Pod's own surroundings: where files lie, what is secret, when to stop, and what is said."""
