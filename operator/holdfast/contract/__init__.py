"""What the operator and the runner say to each other: the task in, the report out, the manifest in the bucket.

Every document has a version. The operator reads reports of its own version and the one before; manifests stay
readable for good. Nothing here holds a secret.
"""
