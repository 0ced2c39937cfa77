"""What can be asked for: the status page, health for load balancers, metrics for Prometheus."""

from datetime import datetime
from importlib.metadata import version
from typing import Any

import structlog
from flask import Flask, Response, jsonify, render_template
from werkzeug.exceptions import HTTPException

from console import metrics
from node.core import clock
from node.root import Node
from node.services import health, status
from node.services.standing import TROUBLE, State
from storage.errors import StorageError

_log = structlog.get_logger()


def register(app: Flask, node: Node) -> None:
    """Add the addresses of `node` to `app`."""
    app.add_url_rule("/", "page", lambda: page(node))
    app.add_url_rule("/health", "health", lambda: show_health(node))
    app.add_url_rule("/metrics", "metrics", lambda: show_metrics(node))
    app.register_error_handler(Exception, show_error)
    app.add_template_filter(size)
    app.add_template_filter(moment)
    app.add_template_filter(count)
    app.add_template_filter(tone)
    app.add_template_filter(since)


def show_health(node: Node) -> tuple[Response, int]:
    """Answer 200 when everything of this node works, else 503 with what does not."""
    checks = health.check(node)
    well = all(check.ok for check in checks)
    words = {check.name: check.fault or "ok" for check in checks}
    warnings = {check.name: check.fault for check in health.warnings(node)}
    status = "ok" if well else "failing"
    return jsonify(status=status, checks=words, warnings=warnings), 200 if well else 503


def show_metrics(node: Node) -> Response:
    """Answer Prometheus."""
    return Response(metrics.text(node), content_type=metrics.CONTENT_TYPE)


def page(node: Node) -> str:
    """Answer people. It shows what it can when the database is away."""
    shown = None
    try:
        shown = status.status(node)
    except StorageError as error:
        _log.error("console.database_away", error=str(error))
    return render_template(
        "status.html",
        config=node.config,
        checks=health.check(node),
        status=shown,
        free=status.free(node),
        now=clock.now(),
        version=version("isocentre"),
    )


def show_error(error: Exception) -> tuple[str, int, dict[str, str]]:
    """Answer one line; what the program did not expect goes to the log, not to the caller."""
    code, words = 500, "Something went wrong; the log says what."
    if isinstance(error, HTTPException) and error.code:
        code, words = error.code, error.description or error.name
    else:
        _log.error("console.failed", exc_info=error)
    return f"{words}\n", code, {"Content-Type": "text/plain; charset=utf-8"}


def size(value: int | None) -> str:
    """Return bytes as a person reads them."""
    if value is None:
        return "unknown"
    amount, units = float(value), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if amount >= 10 or units[0] == "bytes" else f"{amount:.1f} {units[0]}"


def moment(value: datetime) -> str:
    """Return a time as a person reads it."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"


def count(value: Any) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}".replace(",", "\u202f")


def tone(state: State) -> str:
    """Return how the state of a destination is shown: good, look or bad."""
    if state in TROUBLE:
        return "bad"
    return "look" if state in (State.PAUSED, State.CLOSED, State.FAILING, State.WAITING) else "good"


def since(now: datetime, moment: datetime) -> str:
    """Return how long ago `moment` was, as a person reads it."""
    seconds = max(int((now - moment).total_seconds()), 0)
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
