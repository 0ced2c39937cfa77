"""SQL below SQLAlchemy's work for each call, where it counts."""
