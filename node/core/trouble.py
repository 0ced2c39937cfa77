"""How trouble is told in a log without what a patient must not find there."""

import traceback

import structlog

from storage.errors import StorageError

_log = structlog.get_logger()


def report(event: str, error: Exception, sop_instance_uid: str = "", **fields: str) -> None:
    """Log what went wrong, but no message of an exception that is not our own: it may quote a patient."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    _log.warning(
        event,
        error=type(error).__name__,
        detail=str(error) if isinstance(error, StorageError) else "",
        at=[f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames],
        sop_instance_uid=sop_instance_uid[:64],
        **fields,
    )
