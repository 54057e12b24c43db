"""One module a kind: how a resource of it is observed, and whom to ask what to do."""
