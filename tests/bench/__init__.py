"""Measures how fast Holdfast is, as ratios of one run, beside the targets; no test passes or fails by it."""
