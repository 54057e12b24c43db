"""One module a task: what a Job is for, and the only place that knows the order of its steps."""
