"""The operator killed at random instants, for minutes, while policies run each minute and retention deletes.

API server, Job controller and garbage collector are real, and so is the operator's process. What is simulated is the
node: each Job's Pod is one that no node takes, and `node` says what its container does, in a bucket in memory. Twenty
real dumps a minute would be more than two processors give; what the operator sees is the same.
"""
