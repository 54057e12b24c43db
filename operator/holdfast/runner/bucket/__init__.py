"""What lies in a bucket, and how it gets there: objects, uploads in parts, manifests. It knows no engine."""
