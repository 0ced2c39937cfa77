"""The table [dicom]: how the node appears on the DICOM network, and what it allows there."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from node.config.base import AeTitle, File, Host, Port, Seconds, Section


class DicomSection(Section):
    """How the node appears on the DICOM network, and what it allows there."""

    ae_title: AeTitle = "ISOCENTRE"
    """Application entity title: by this name others call the node, and it calls others. 1 to 16
    characters; case matters."""

    host: Host = "0.0.0.0"  # noqa: S104 - scanners come from outside; who may do what is decided at admission
    """Address to listen on. 0.0.0.0 is every IPv4 address of the machine, :: every address of both kinds."""

    port: Port = 11112
    """TCP port to listen on. 104 is the port of the Standard and needs privileges; 11112 is registered
    for DICOM and does not. 0 is any free one, which only tests want."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Receivers sharing the port. One serves a department; where several scanners send at once, one for each
    processor core takes more. Whatever their number, one process writes the index for all of them."""

    store_from: Literal["any", "known"] = "any"
    """Who may C-STORE and C-ECHO: "any" caller, or only "known" peers (isocentre peer add). With "any" no
    image is lost because a scanner was not announced; callers that are not known are listed all the same."""

    query_from: Literal["any", "known"] = "known"
    """Who may C-FIND, C-MOVE and C-GET: "any" caller, or only "known" peers, by AE title and address.
    An AE title is no proof of identity: leave it at "known" unless the network is closed."""

    called_ae: Literal["own", "any"] = "own"
    """Which called AE titles are answered: the node's "own" alone, or "any", for scanners that cannot be
    reconfigured."""

    max_associations: Annotated[int, Field(ge=1, le=10000)] = 200
    """Associations open at once in each receiver process. Above it, callers are told to come again later."""

    max_associations_per_address: Annotated[int, Field(ge=1, le=10000)] = 100
    """Of these, how many one address may hold, so that a broken neighbour does not take them all."""

    max_pdu: Annotated[int, Field(ge=4096, le=1048576)] = 131072
    """Bytes of the longest P-DATA-TF that we take (PS3.8 D.1). Larger is faster, and costs this much memory
    for each association. There is no "unlimited": it would let a stranger fill the memory."""

    association_timeout: Seconds = 10
    """Seconds from the connection until the association request has come whole. Short, because nobody has
    said yet who it is."""

    idle_timeout: Seconds = 300
    """Seconds that an open association may stay silent between two messages before it is aborted."""

    pdu_timeout: Seconds = 30
    """Seconds in which something must go on inside a message, in either direction, before the association
    is aborted: a half-open connection gives its place back."""

    max_dataset_mib: Annotated[int, Field(ge=1, le=1048576)] = 8192
    """MiB of the largest dataset that is kept. A larger one is refused, and the rest of it is not written."""

    unknown_sop_classes: bool = False
    """Accept storage of SOP classes that the node does not know (private ones, and those newer than it).
    They are kept as sent."""

    max_answers: Annotated[int, Field(ge=0, le=10000000)] = 5000
    """Answers that one C-FIND may get; 0 is without limit. Above it the query ends with the status "out of
    resources" (0xA700), so that a query with empty keys does not list the whole archive."""

    drain_timeout: Seconds = 20
    """Seconds that associations have to finish when the node stops. Keep it below TimeoutStopSec of
    the service manager."""

    connect_timeout: Seconds = 10
    """Seconds to reach another node, when the node is the one that calls."""

    response_timeout: Seconds = 60
    """Seconds to wait for another node's response. Some archives take long over a query or a commitment."""

    tls_port: Port = 0
    """TCP port for DICOM over TLS, beside the plain one; 0 is none. 2762 is registered for it (PS3.15 B)."""

    tls_certificate: File = ""
    """PEM file with the certificate of the node and those up to its authority. Shown to callers on
    tls_port and to peers that have TLS."""

    tls_key: File = ""
    """PEM file with the private key of tls_certificate, without passphrase, readable by the node alone."""

    tls_ca: File = ""
    """PEM file with the authorities that other nodes' certificates must come from: on tls_port a caller
    without such a certificate is turned away. Empty asks callers for none, which only encrypts."""

    tls_check_names: bool = True
    """Check that a peer's certificate names the host that was called. Devices often have one without a name:
    with false, any certificate of an authority in tls_ca will do."""

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together: set both or none")
        if self.tls_port and not self.tls_certificate:
            raise ValueError("tls_port needs tls_certificate and tls_key")
        if self.tls_port and self.tls_port == self.port:
            raise ValueError("tls_port and port must differ")
        return self
