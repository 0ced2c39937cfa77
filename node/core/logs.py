"""Structured logs: a constant event name with fields, one JSON object a line.

Patient data never goes into a log: no names, identifiers, dates of birth, accession numbers. UIDs made by
scanners are identifiers of objects, and are allowed.
"""

import logging
import sys
import warnings

import structlog


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
            structlog.processors.format_exc_info,
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
