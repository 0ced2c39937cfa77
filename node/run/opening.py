"""Opening what the configuration names, for processes that need no services."""

from node.config import Config
from node.core.errors import UserError
from storage.archive import Archive


def open_archive(config: Config) -> Archive:
    """Open the records as they are, in a data folder that is made when it is not there.

    Raises
    ------
    UserError
        The data folder cannot be used.
    storage.errors.StorageError
        The database cannot be used; the message says why.
    """
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        raise UserError(f"node.data_dir: {config.data_dir}: {error.strerror}") from None
    return Archive.open(config.database_url)
