"""The tables of config.toml other than [dicom]."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from node.config.base import File, Folder, Host, Port, Seconds, Section, StatusPattern, TimeOfDay


class NodeSection(Section):
    """Where the node keeps what it keeps, and how it logs."""

    data_dir: Folder = Path("data")
    """Folder of everything that the node keeps, unless database.url and blobs.url say otherwise. It must be
    on a local disk. Relative to the folder of this file."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged. No level logs patient data."""

    log_format: Literal["auto", "json", "text"] = "auto"
    """One JSON object a line for machines, or "text" for people; "auto" is text on a terminal and JSON
    elsewhere. Logs go to standard error."""

    @property
    def logs_json(self) -> bool:
        """Whether what is logged now is to be JSON."""
        return self.log_format == "json" or (self.log_format == "auto" and not sys.stderr.isatty())


class DatabaseSection(Section):
    """Where the records are kept."""

    url: Annotated[str, Field(repr=False)] = ""
    """Database URL. Empty is SQLite in node.data_dir; postgresql+psycopg2://user:password@host/name is
    PostgreSQL, for several receivers and more than one machine."""

    url_file: File = ""
    """File that holds the URL, instead of url: it has a password, which does not belong in this file."""


class BlobsSection(Section):
    """Where the bytes of images are kept."""

    url: Annotated[str, Field(repr=False)] = ""
    """Blob store URL. Empty is files in node.data_dir; s3://bucket/prefix, gs://… and az://… are object
    stores, whose credentials come from their usual environment variables."""

    url_file: File = ""
    """File that holds the URL, instead of url, when the URL has secrets."""

    receive_log: bool = True
    """Append what is small (up to 2 MiB) to a log of preallocated files, with a note for the index: one sync
    of the disk serves all who wait, and the index is written behind it. Without it each instance is a file of
    its own, and in the index before its sender is told. What was kept either way is found. Before a bucket
    the log is the folder front in the data folder, and holds what has not been uploaded yet."""

    free_floor_mib: Annotated[int, Field(ge=0)] = 1024
    """MiB that stay free. Below it C-STORE is answered with "out of resources" (0xA700) while everything else
    goes on, so that the database never meets a full disk."""


class ConsoleSection(Section):
    """Where the web console listens."""

    host: Host = "127.0.0.1"
    """Address to listen on. Only this machine by default: put a proxy with TLS before it to open it."""

    port: Port = 8080
    """TCP port of the web console."""


class WorkerSection(Section):
    """The processes that do jobs."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Worker processes that isocentre serve starts. More do more jobs at once."""

    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    """Jobs that each worker process does at the same time. Most of a job is waiting, for disks and other
    nodes, so it may be more than there are processor cores."""


class RulesSection(Section):
    """When series and studies are decided on."""

    quiet_seconds: Seconds = 60
    """Seconds without a new instance after which a study is taken to be there: rules on series and studies
    then decide. What comes later reopens it."""

    complete_seconds: Seconds = 5
    """The same for a study in which everything that a rule requires is there."""


class DeliverySection(Section):
    """How instances are delivered to other nodes. `isocentre destinations set` tells one of them apart."""

    associations: Annotated[int, Field(ge=1, le=16)] = 1
    """Associations held with a destination at once. More are faster where the way is long; a series goes
    over one of them, in its order."""

    batch: Annotated[int, Field(ge=1, le=1000)] = 64
    """Instances that an association takes from the queue at a time. It bounds what may be sent twice when
    a worker dies."""

    breaker_failures: Annotated[int, Field(ge=1, le=100)] = 3
    """Failures of a destination, one after the other, after which it is given up for the time being: it is
    asked by C-ECHO from then on, and gets nothing before it answers."""

    backoff_first: Seconds = 5
    """Seconds until what failed is tried again, the first time; twice as many each time after."""

    backoff_ceiling: Seconds = 900
    """Seconds between two tries at most."""

    max_age_hours: Annotated[float, Field(gt=0, le=87600)] = 168
    """Hours after which an instance that a destination keeps refusing goes to the dead letters. What waits
    because the destination is down, paused or outside its window does not age."""

    permanent: Annotated[tuple[StatusPattern, ...], Field(strict=False)] = (
        "A9xx",
        "Cxxx",
        "0117",
        "0119",
        "0122",
        "0124",
    )
    """Statuses of a C-STORE response (PS3.4 B.2.3, PS3.7 C) that are not worth another try: the instance
    goes to the dead letters at once. An x is any digit. Others that tell of a failure are tried again."""

    unknown_ae: Literal["dead", "wait"] = "dead"
    """What becomes of instances whose destination does not know our AE title or its own: "dead" letters at
    once, so that somebody looks, or they "wait" until it is put right."""

    idle_seconds: Seconds = 5
    """Seconds that an association is kept open for more when the queue is empty."""

    commitment_wait: Seconds = 10
    """Seconds for which the association of a storage commitment request is kept open for its result; a
    result that comes later is expected on an association that the destination opens."""

    commitment_hours: Annotated[float, Field(gt=0, le=8760)] = 24
    """Hours after which a storage commitment request without a result counts as unanswered."""


class SchedulerSection(Section):
    """What is done every night."""

    scrub_at: TimeOfDay = "02:30"
    """Time of day, on the machine's clock, at which stored bytes are read again and compared with their
    SHA-256, what nothing refers to is removed, and what was delivered on the day before is reported. A missed
    night is made up for at the next start."""

    scrub_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days in which the whole archive is read once: each night its share. A disk that loses bytes in
    silence is noticed within this time."""

    keep_jobs_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days that jobs which are done or cancelled stay listed. Dead jobs stay until somebody looks at them."""
