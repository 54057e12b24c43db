"""`make demo`: from a fresh clone to a finished, verified backup and a schedule, with nothing to prepare by hand.

It shows the real thing: the same images, chart and example that a user has. Running it again is quick and harmless.
"""
