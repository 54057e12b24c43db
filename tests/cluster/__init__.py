"""The test cluster: kind everywhere, also where there is no Docker daemon and no image registry.

Runs before anything is installed, so it uses the standard library alone and must never import Holdfast itself.
"""
