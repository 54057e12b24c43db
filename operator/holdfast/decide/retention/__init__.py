"""Which backups of a policy are kept, for which reasons, and which may go. Pure; nothing here deletes."""
