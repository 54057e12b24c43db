"""The operator's process: it starts, leads, watches over itself, answers probes, and ends."""
