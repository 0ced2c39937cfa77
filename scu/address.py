"""Where another node is, and how to get in."""

from dataclasses import dataclass

from scu.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class Address:
    """One node: its AE title and where it listens.

    Attributes
    ----------
    tls
        Files for a secure connection, None for a plain one.

    Raises
    ------
    ValueError
        A part is not what it may be; the message says which.
    """

    ae_title: str
    host: str
    port: int
    tls: TlsFiles | None = None

    def __post_init__(self) -> None:
        check_ae_title(self.ae_title)
        if not self.host.strip():
            raise ValueError("host is empty")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 1 and 65535")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title} at {host}:{self.port}" + (" (TLS)" if self.tls else "")


def check_ae_title(text: str) -> str:
    """Return `text` when it is an AE title (PS3.5 6.2, VR AE).

    Raises
    ------
    ValueError
    """
    if not 1 <= len(text) <= 16:
        raise ValueError(f"AE title {text!r} has {len(text)} characters, not 1 to 16")
    if text != text.strip():
        raise ValueError(f"AE title {text!r} begins or ends with a space")
    if not all(" " <= character <= "~" and character != "\\" for character in text):
        raise ValueError(f"AE title {text!r} holds a character that is not allowed: ASCII without backslash")
    return text
