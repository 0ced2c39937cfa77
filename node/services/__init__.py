"""Use cases, one module a family; each is one unit of work."""
