"""Keeps the records of everything the node knows, and the bytes. SQLAlchemy is imported here and nowhere else."""
