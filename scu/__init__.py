"""Reaches out to other nodes: echo, store, find, move, get. Knows nothing of records or services."""
