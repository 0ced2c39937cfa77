import errno
import os

import pytest

from storage.blobs.faults import fault
from storage.errors import OutOfSpace, Unavailable


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, OutOfSpace),
        (errno.EDQUOT, OutOfSpace),
        (errno.EIO, Unavailable),
        (errno.EROFS, Unavailable),
        (errno.ENOENT, Unavailable),
        (errno.EMFILE, Unavailable),
    ],
)
def test_errors_say_what_may_be_done(number, kind):
    error = fault(OSError(number, os.strerror(number), "/secret/path"), "writing")
    assert type(error) is kind
    assert str(error) == f"blob store: {os.strerror(number)} while writing"


def test_an_error_without_a_number():
    assert str(fault(OSError("closed"), "writing")) == "blob store: OSError while writing"
