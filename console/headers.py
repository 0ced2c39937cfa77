"""What every answer of the console carries, and which names it answers to.

A page of another site can make a browser ask for ``http://rebound.example:8080/`` where that name leads to
127.0.0.1 (DNS rebinding); such a page would then read the answer. So only this machine's own names are
answered.
"""

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

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
    names = _NAMES | {host.lower()}

    @app.before_request
    def check_name() -> None:
        if _name(request.headers.get("Host", "")) not in names:
            abort(400, "The console answers to this machine's own names only.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response


def _name(host: str) -> str | None:
    """Return the name in a Host header, without its port and brackets, in small letters."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
