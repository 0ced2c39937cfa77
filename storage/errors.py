"""What storage raises, and what the catcher may do about it."""


class StorageError(Exception):
    """The archive could not do it. Nothing was changed."""


class NotFound(StorageError):
    """No such blob or record. Trying again does not help."""


class OutOfSpace(StorageError):
    """The disk, or the quota of the object store, is full. Trying again later can help."""


class Unavailable(StorageError):
    """The database or the object store does not answer. Trying again later can help."""


class Damaged(StorageError):
    """Bytes were read but are not those that were written (digest or length differ)."""
