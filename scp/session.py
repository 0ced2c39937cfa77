"""What a handler has to work with: the association it serves, who calls, and the node behind it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from node.config import DicomSection
from node.root import Node
from scu.wire.channel import Channel, Message
from scu.wire.negotiate import Request
from storage.records.arrival import Origin
from storage.records.network import Peer


@dataclass(slots=True, eq=False)
class Session:
    """One association that stands.

    Attributes
    ----------
    channel
        The association's messages; only the session's own thread touches it.
    request
        What the peer asked for when it called.
    roles
        SOP class to the (SCU, SCP) roles granted to the peer (PS3.7 D.3.3.4).
    peer
        The known node that calls, None for an unknown one.
    last_active
        `time.monotonic` of the last message's end, for whoever wants to end idle associations.
    """

    channel: Channel
    request: Request
    roles: Mapping[str, tuple[bool, bool]]
    node: Node
    origin: Origin
    peer: Peer | None
    may_store: bool
    may_query: bool
    log: Any
    busy: bool = False
    last_active: float = field(default_factory=time.monotonic)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def config(self) -> DicomSection:
        """The table [dicom] of the configuration."""
        return self.node.config.dicom

    def reply(self, message: Message, status: int, comment: str = "") -> None:
        """Send the response to `message`, without a data set."""
        self.channel.reply(message, status, comment)
