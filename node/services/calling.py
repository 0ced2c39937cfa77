"""Calling peers: where a peer is, and an association with it, as this node is configured."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from node.config import DicomSection
from scu.address import Address
from scu.association import Association
from scu.tls import TlsFiles
from storage.records.network import Peer


def address_of(peer: Peer, config: DicomSection) -> Address:
    """Return where `peer` is, with the files for TLS when it wants that."""
    return Address(peer.ae_title, peer.host, peer.port, _tls_files(config) if peer.tls else None)


def associate(
    peer: Peer,
    config: DicomSection,
    proposals: Sequence[tuple[str, Sequence[str]]],
    roles: Mapping[str, tuple[bool, bool]] | None = None,
    window: int = 1,
) -> Association:
    """Open an association with `peer`; use it in a with statement.

    Parameters
    ----------
    proposals, roles, window
        As of `scu.association.Association.open`.

    Raises
    ------
    scu.errors.ScuError
        It does not answer, or does not want what is proposed.
    """
    return Association.open(
        address_of(peer, config),
        config.ae_title,
        proposals,
        connect_timeout=config.connect_timeout,
        response_timeout=config.response_timeout,
        max_pdu=config.max_pdu,
        roles=roles,
        window=window,
    )


def _tls_files(config: DicomSection) -> TlsFiles:
    return TlsFiles(
        ca=_path(config.tls_ca),
        certificate=_path(config.tls_certificate),
        key=_path(config.tls_key),
        check_name=config.tls_check_names,
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None
