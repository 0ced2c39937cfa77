"""Which blob store a URL means.

======================================  ===========================================================
URL                                     store
======================================  ===========================================================
(empty)                                 a receive log and files in ``blobs`` in the data folder
``file:///srv/images``                  the same in that folder
``s3://bucket/prefix``                  S3, or what speaks as S3 does (MinIO, Ceph, Garage)
``gs://bucket/prefix``                  Google Cloud Storage
``az://container/prefix``               Azure Blob Storage
``memory://``                           nothing that lasts, for tests
======================================  ===========================================================

What an object store needs to know is taken from the environment under obstore's names, where secrets should
be: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`; `GOOGLE_SERVICE_ACCOUNT`;
`AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`; and so on. The query of the URL goes before it, by
the same names without prefix: ``s3://images/a?endpoint=https://minio.example:9000&region=eu``. An endpoint
given there as ``http://`` is taken at its word. Of the connection itself can be said: ``allow_http=true``,
``timeout`` and ``connect_timeout`` (``30s``), ``proxy_url``, and ``ca`` (path of a PEM file to trust too).
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from storage.blobs.log.store import ReceiveLog
from storage.blobs.log.writer import SMALL
from storage.blobs.memory import MemoryStore
from storage.blobs.protocol import BlobStore
from storage.errors import StorageError

_OBJECTS = frozenset({"s3", "gs", "az"})
_CLIENT = frozenset({"timeout", "connect_timeout", "proxy_url"})


def open_blobs(url: str, data_dir: Path, *, log: bool = True) -> BlobStore:
    """Open the blob store at `url`.

    Parameters
    ----------
    url
        See the head of this module; it may hold secrets, and is never repeated in an error.
    data_dir
        Where files go when the URL does not say, and where an object store spools.
    log
        Write small blobs to a receive log before the files; without it each is a file of its own. What is
        in a log is found either way.

    Raises
    ------
    StorageError
        The URL is wrong, or lacks what the service needs.
    OutOfSpace, Unavailable
        A folder cannot be made.
    """
    if not url:
        return _open_files(data_dir / "blobs", log)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise StorageError("blobs URL: it cannot be read") from None
    if parts.scheme == "memory":
        return MemoryStore()
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or len(parts.path) < 2:
            raise StorageError("blobs URL: for files write file:///path/to/folder")
        return _open_files(Path(unquote(parts.path)), log)
    if parts.scheme not in _OBJECTS or not parts.netloc:
        raise StorageError(
            "blobs URL: it must be empty, or begin with s3://, gs://, az:// and a bucket, or file:///"
        )
    return _open_objects(f"{parts.scheme}://{parts.netloc}{parts.path}", parts.query, data_dir / "spool")


def open_front(url: str, data_dir: Path, blobs: BlobStore) -> ReceiveLog | None:
    """Open the log in which instances are acknowledged: that of `blobs`, or one before an object store.

    None where nothing on this machine lasts.
    """
    if isinstance(blobs, ReceiveLog):
        return blobs
    return ReceiveLog(data_dir / "front") if urlsplit(url).scheme in _OBJECTS else None


def _open_files(root: Path, log: bool) -> BlobStore:
    return ReceiveLog(root, small=SMALL if log else 0)


def _open_objects(place: str, query: str, spool: Path) -> BlobStore:
    # Loaded only where it is used: a node on files starts sooner without it.
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    from storage.blobs.object import RETRIES, ObjectStore

    config, client = _options(query)
    try:
        bucket = from_url(place, config=config, client_options=client, retry_config=RETRIES)  # type: ignore[call-overload]
    except (BaseError, ValueError) as error:
        raise StorageError(f"blobs URL: {_first_line(error)}") from None
    return ObjectStore(bucket, spool)


def _options(query: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what `query` says to the service and to the connection."""
    config: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    client: dict[str, Any] = {name: config.pop(name) for name in _CLIENT & config.keys()}
    if "ca" in config:
        try:
            client["root_certificate"] = Path(config.pop("ca")).read_bytes()
        except OSError as error:
            raise StorageError(f"blobs URL: ca: {error.strerror}") from None
    plain = config.pop("allow_http", "").lower() in ("true", "1", "yes")
    if plain or config.get("endpoint", "").startswith("http://"):
        client["allow_http"] = True
    return config, client


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
