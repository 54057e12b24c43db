"""Snapshots by Amazon RDS: the one method whose data never passes through a Job."""
