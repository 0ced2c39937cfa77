"""What every answer of the console carries, and which names it answers to.

A page of another site can make a browser ask for ``http://rebound.example:8080/`` where that name leads to
127.0.0.1 (DNS rebinding); such a page would then read the answer. So only this machine's own names are
answered.
"""

from flask import Flask, Response, abort, request
from werkzeug.sansio.utils import host_is_trusted

_NAMES = ["localhost", "127.0.0.1", "[::1]"]

_HEADERS = {
    # Nothing is loaded from elsewhere, and nothing runs: the pages have no script at all.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def protect(app: Flask, host: str) -> None:
    """Add the headers to every answer of `app`, and refuse other names than this machine's.

    Parameters
    ----------
    host
        The address it listens on, which is one of its names.
    """
    names = [*_NAMES, f"[{host}]" if ":" in host else host]

    @app.before_request
    def check_name() -> None:
        if not host_is_trusted(request.headers.get("Host"), names):
            abort(400, "The console answers to this machine's own names only.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response
