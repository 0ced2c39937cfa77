"""What storage raises, and what the catcher may do about it."""


class StorageError(Exception):
    """The archive could not do it. Nothing was changed."""


class NotFound(StorageError):
    """No such blob or record. Trying again does not help."""


class Exists(StorageError):
    """A record of that name is there already. Trying again does not help."""


class OutOfSpace(StorageError):
    """The disk, or the quota of the object store, is full. Trying again later can help."""


class Unavailable(StorageError):
    """The database or the object store does not answer. Trying again later can help."""


class InDoubt(Unavailable):
    """The connection broke during the commit, and whether it was saved could not be learned.

    The bytes that were to be recorded must stay where they are. Recording them again gives the answer.
    """


class Damaged(StorageError):
    """Bytes were read but are not those that were written (digest or length differ)."""
