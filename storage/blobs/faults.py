"""What the operating system's errors mean to whoever keeps blobs."""

import errno

from storage.errors import OutOfSpace, StorageError, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def fault(error: OSError, doing: str) -> StorageError:
    """Return what storage raises for `error`, which came up while `doing`."""
    words = f"blob store: {error.strerror or type(error).__name__} while {doing}"
    return OutOfSpace(words) if error.errno in _FULL else Unavailable(words)
