"""What workers do, one module a kind of job; `node.jobs.kinds` is their list."""
