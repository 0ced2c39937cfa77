"""TLS towards another node: which files, and what is checked (PS3.15 B.12)."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scu.errors import CannotConnect


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a secure connection needs. All checks are on unless switched off by name.

    Attributes
    ----------
    ca
        PEM file of the authorities that may vouch for the other node; None for those of the system.
    certificate, key
        PEM files of our own certificate with its chain, and of its private key, for a node that asks for
        them. The key may be in the file of the certificate.
    check_name
        Whether the certificate must name the host that was called. Devices often have one without name.
    check_peer
        Whether the certificate is checked at all. Without it, anybody can pose as the other node.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    check_name: bool = True
    check_peer: bool = True


@dataclass(frozen=True, slots=True)
class Secured:
    """What a handshake has settled.

    Attributes
    ----------
    names
        That the certificate of the other node is for; empty when it was not checked.
    until
        When that certificate ends.
    """

    protocol: str
    cipher: str
    names: tuple[str, ...]
    until: datetime | None


def describe(sock: ssl.SSLSocket) -> Secured:
    """Return what the handshake of `sock` has settled."""
    certificate: Mapping[str, Any] = sock.getpeercert() or {}
    alternatives = [str(value) for _, value in certificate.get("subjectAltName", ())]
    subject = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    end = certificate.get("notAfter")
    return Secured(
        sock.version() or "",
        (sock.cipher() or ("",))[0],
        tuple(alternatives or subject),
        datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC) if end else None,
    )


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a context for calling out, TLS 1.2 or newer (PS3.15 B.12).

    Raises
    ------
    CannotConnect
        A file is missing or does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not files.check_peer:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not files.check_name:
        context.check_hostname = False
    _load_authorities(context, files)
    if files.certificate is not None:
        try:
            # An encrypted key would ask at the terminal: the empty password makes it an error instead.
            context.load_cert_chain(files.certificate, files.key, password="")
        except (OSError, ssl.SSLError) as error:
            shown = f"{files.certificate}" + (f" and {files.key}" if files.key else "")
            raise CannotConnect(
                f"our TLS certificate cannot be used ({shown}): {_words(error)}",
                retry=False,
                advice="Check that both are readable PEM files, belong together and have no password.",
            ) from error
    return context


def _load_authorities(context: ssl.SSLContext, files: TlsFiles) -> None:
    if files.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cafile=files.ca)
    except (OSError, ssl.SSLError) as error:
        raise CannotConnect(
            f"the file of TLS authorities {files.ca} cannot be used: {_words(error)}",
            retry=False,
            advice="It must be a readable PEM file with the certificate of the authority.",
        ) from error


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error)
    return str(error.strerror or error)
