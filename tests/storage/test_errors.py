import pytest

from storage import errors


@pytest.mark.parametrize(
    ("kind", "caught_as"),
    [
        (errors.InDoubt, errors.Unavailable),
        (errors.Unavailable, errors.StorageError),
        (errors.OutOfSpace, errors.StorageError),
        (errors.NotFound, errors.StorageError),
        (errors.Exists, errors.StorageError),
        (errors.Damaged, errors.StorageError),
    ],
)
def test_what_an_error_is_caught_as(kind: type[Exception], caught_as: type[Exception]) -> None:
    with pytest.raises(caught_as):
        raise kind("why")


def test_a_full_disk_is_not_taken_for_a_server_that_does_not_answer() -> None:
    assert not issubclass(errors.OutOfSpace, errors.Unavailable)
