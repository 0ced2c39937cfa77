"""What is wrong with a dataset."""


class Malformed(Exception):
    """The dataset cannot be read. The message says why, in at most 64 ASCII characters, naming tags only."""
