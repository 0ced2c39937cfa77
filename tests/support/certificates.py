"""A private authority, made anew for each test run by the openssl program: a server, a client, a stranger."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.missing import missing


@dataclass(frozen=True)
class Certificates:
    """PEM files below `folder`: NAME.pem and NAME.key for each name.

    The authority `ca` has signed `server` (localhost, 127.0.0.1), `unnamed` (another host) and `client`;
    `stranger` has signed itself.
    """

    folder: Path

    def cert(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def server_context(self, name: str = "server", *, ask_client: bool = False) -> ssl.SSLContext:
        """A context for listening; `ask_client` wants a certificate that the authority has signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert(name), self.key(name))
        if ask_client:
            context.load_verify_locations(self.cert("ca"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context that trusts the authority alone."""
        return ssl.create_default_context(cafile=str(self.cert("ca")))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of a private authority."""
    if shutil.which("openssl") is None:
        missing("the openssl program is not installed")
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    _self_signed(made, "ca", "/CN=Test authority", "basicConstraints=critical,CA:TRUE")
    _self_signed(made, "stranger", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    _signed(made, "server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    _signed(made, "unnamed", "/CN=PACS", "subjectAltName=DNS:pacs.invalid")
    _signed(made, "client", "/CN=ISOCENTRE", "extendedKeyUsage=clientAuth")
    return made


def _self_signed(made: Certificates, name: str, subject: str, extension: str) -> None:
    _openssl(
        *(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-noenc",
            "-days",
            "2",
        ),
        *("-keyout", str(made.key(name)), "-out", str(made.cert(name)), "-subj", subject),
        *("-addext", extension),
    )


def _signed(made: Certificates, name: str, subject: str, extension: str) -> None:
    request = made.folder / f"{name}.csr"
    extensions = made.folder / f"{name}.ext"
    extensions.write_text(extension + "\n")
    _openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
        *("-keyout", str(made.key(name)), "-out", str(request), "-subj", subject),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-days", "2", "-CA", str(made.cert("ca"))),
        *("-CAkey", str(made.key("ca")), "-CAcreateserial", "-extfile", str(extensions)),
        *("-out", str(made.cert(name))),
    )


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
