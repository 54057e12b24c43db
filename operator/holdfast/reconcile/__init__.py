"""Observe, decide, apply: one module a kind; the cache and the work queue between events and reconciles."""
