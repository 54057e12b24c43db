"""Holdfast: Kubernetes database backups that tell the truth."""

__version__ = "0.1.0"
