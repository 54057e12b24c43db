"""One BackupPolicy: what its status says."""
