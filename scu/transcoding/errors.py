"""What can go wrong with a data set on its way into another transfer syntax."""


class CannotTranscode(Exception):
    """The data set cannot be had in that transfer syntax. The message says why, without patient data."""
