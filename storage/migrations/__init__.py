"""The schema and its changes, for both databases."""
