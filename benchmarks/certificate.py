"""A certificate for one run, its own authority, which both sides show: RSA, which every peer knows."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.running import program


@dataclass(frozen=True)
class Certificate:
    """Two PEM files."""

    certificate: Path
    key: Path

    @property
    def dcmtk(self) -> list[str]:
        """The arguments by which dcmtk's programs show it, and ask for it."""
        return ["+tls", str(self.key), str(self.certificate), "+cf", str(self.certificate)]


def make(folder: Path) -> Certificate | None:
    """Make one in `folder`; None where the openssl program is missing."""
    openssl = program("openssl")
    if openssl is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-noenc",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    command += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(made.key),
        "-out",
        str(made.certificate),
    ]
    subprocess.run(command, check=True, capture_output=True)
    made.key.chmod(0o600)
    return made
