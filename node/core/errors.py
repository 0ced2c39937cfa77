"""Errors that a person is meant to read."""


class UserError(Exception):
    """Something the caller can put right. The message names what was wrong, where, and what to do."""
