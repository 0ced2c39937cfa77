"""The web server: gunicorn with one process of several threads, and its words in our log."""

import contextlib
import logging
from collections.abc import Callable
from typing import Any

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from console.app import create_app
from node.config import Config
from node.root import Node
from node.run.parent import die_with

_THREADS = 8

_log = structlog.get_logger()


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Serves the console of one node until SIGTERM."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._opened = contextlib.ExitStack()
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn how to run."""
        host, port = self._config.console.host, self._config.console.port
        settings: dict[str, Any] = {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": _THREADS,
            "graceful_timeout": int(self._config.dicom.drain_timeout),
            "proc_name": "isocentre console",
            "logger_class": ConsoleLog,
            "forwarded_allow_ips": "",  # nobody's word about who is asking is taken
            "when_ready": lambda _server: _log.info("console.ready", host=host, port=port),
            "post_fork": lambda _server, worker: die_with(worker.ppid),  # it holds the port as well
            "worker_exit": lambda _server, _worker: self._opened.close(),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application, in the process that will serve it."""
        return create_app(self._opened.enter_context(Node.open(self._config)))


class ConsoleLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's words as events of our log; requests are not logged."""

    def setup(self, cfg: Any) -> None:
        """Send everything to `structlog`."""
        self.error_log.handlers = [_Forward(logging.WARNING)]
        self.error_log.propagate = False
        self.access_log.handlers = []
        self.access_log.propagate = False

    def access(self, *_arguments: Any) -> None:
        """Say nothing about a request."""


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tell: Callable[..., Any] = _log.error if record.levelno >= logging.ERROR else _log.warning
        tell("console.server", words=record.getMessage(), exc_info=record.exc_info)
