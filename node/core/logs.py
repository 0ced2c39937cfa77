"""Structured logs: a constant event name with fields, one JSON object a line.

Patient data never goes into a log: no names, identifiers, dates of birth, accession numbers. UIDs made by
scanners are identifiers of objects, and are allowed.
"""

import logging
import sys
import traceback
import warnings

import structlog
from structlog.typing import EventDict


def configure(level: str = "info", *, json: bool = True) -> None:
    """Send logs to standard error, from `level` (debug, info, warning, error) up."""
    number = logging.getLevelNamesMapping()[level.upper()]
    lines = structlog.dev.ConsoleRenderer(colors=False, timestamp_key="at")
    renderer = structlog.processors.JSONRenderer() if json else lines
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            _tell_error,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # One write a line: several processes share standard error.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # What pydicom warns of, it quotes.
    warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")
    # Libraries print whole datasets at debug and info: only their warnings pass, and pynetdicom's not at all.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    logging.getLogger("pydicom").setLevel(logging.ERROR)


def _tell_error(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Say of an error what it is, where it came up and what led to it.

    Its message is left out: that of a library quotes what it could not read, which may be a patient's name.
    """
    told = event.pop("exc_info", None)
    error = (
        told if isinstance(told, BaseException) else told[1] if isinstance(told, tuple) else sys.exc_info()[1]
    )
    if told and error is not None:
        event["exception"] = "".join(_places(error)).rstrip()
    return event


def _places(error: BaseException) -> list[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = [*_places(cause), "which led to\n"] if cause is not None else []
    reason = f": {error.strerror}" if isinstance(error, OSError) else ""
    return [*before, *traceback.format_tb(error.__traceback__), f"{type(error).__qualname__}{reason}\n"]
