"""Keeps the records of all that the node knows, and the bytes. Only here is SQLAlchemy imported."""
