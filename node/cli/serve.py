"""`isocentre serve`: everything, for one machine."""

import contextlib
import http.client
import json
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import click

from node.cli.options import config_option, config_path, json_option
from node.cli.output import Output
from node.config import Config
from node.core import logs
from node.core.errors import UserError
from node.run.opening import open_archive
from node.run.ports import check_free
from node.run.supervisor import Supervisor

_MARGIN = 10.0  # seconds to end, beyond those that associations have
_PATIENCE = 10.0  # seconds for an answer of the console
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to where it is reached from here


@click.command()
@config_option
@json_option
def serve(config: Config, out: Output) -> None:
    """Run receivers, workers, console and scheduler until SIGTERM."""
    logs.configure(config.node.log_level, json=config.node.logs_json)
    check_ports(config)
    with contextlib.closing(open_archive(config)) as archive:
        archive.upgrade()
        with archive.read() as tx:
            is_new = not tx.studies.count()
    if not out.as_json:
        out.result(None, *greeting(config))
    supervisor = Supervisor(
        commands(config),
        grace=config.dicom.drain_timeout + _MARGIN,
        missing=lambda: missing(config),
        ready=lambda: out.result(facts(config), "ready", *(next_steps(config) if is_new else ())),
    )
    if not supervisor.run():
        raise UserError("a process did not end in time and was killed")


def check_ports(config: Config) -> None:
    """See that every port is given and free.

    Raises
    ------
    UserError
        One of them is not.
    """
    if not config.dicom.port or not config.console.port:
        raise UserError("dicom.port, console.port: 0 is no port that others could be told")
    check_free("dicom.port", config.dicom.host, config.dicom.port)
    if config.dicom.tls_port:
        check_free("dicom.tls_port", config.dicom.host, config.dicom.tls_port)
    check_free("console.port", config.console.host, config.console.port)


def commands(config: Config) -> Mapping[str, Sequence[str]]:
    """Return the name of each process and the arguments that it is started with."""
    file = config_path()
    options = ("--config", str(file)) if file else ()
    receivers = {f"scp {n + 1}": ("scp", *options) for n in range(config.dicom.processes)}
    workers = {f"worker {n + 1}": ("worker", *options) for n in range(config.worker.processes)}
    others = {name: (name, *options) for name in ("console", "scheduler")}
    return receivers | workers | others


def facts(config: Config) -> dict[str, Any]:
    """Return what others must know to reach the node."""
    return {
        "ready": True,
        "ae_title": config.dicom.ae_title,
        "host": config.dicom.host,
        "port": config.dicom.port,
        "tls_port": config.dicom.tls_port,
        "console": _url(config),
        "data_dir": str(config.data_dir),
    }


def greeting(config: Config) -> list[str]:
    """Return the same for people."""
    dicom = config.dicom
    where = "every address" if dicom.host in _EVERY_ADDRESS else dicom.host
    tls = f", with TLS {dicom.tls_port}" if dicom.tls_port else ""
    return [
        f"Isocentre {version('isocentre')}",
        f"  AE title     {dicom.ae_title}",
        f"  DICOM port   {dicom.port}{tls}, on {where}",
        f"  Console      {_url(config)}",
        f"  Data folder  {config.data_dir}",
    ]


def next_steps(config: Config) -> list[str]:
    """Return what to try on an empty archive: the lines can be pasted into a shell."""
    host = _EVERY_ADDRESS.get(config.dicom.host, config.dicom.host)
    target = f"-aec {shlex.quote(config.dicom.ae_title)} {host} {config.dicom.port}"
    lines = [
        "Now try, with dcmtk's programs:",
        f"  echoscu {target}",
        f"  storescu +sd +r {target} FOLDER",
    ]
    if config.dicom.query_from == "known":
        lines += [
            "Who is to find and retrieve has to be known:",
            "  isocentre peer add NAME --ae-title ITS_TITLE --host ITS_HOST --port ITS_PORT",
        ]
    return lines


def missing(config: Config) -> str:
    """Ask the console whether everything works; return what does not."""
    connection = http.client.HTTPConnection(config.console.host, config.console.port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        found = json.loads(answer.read(65536))
        faults = [f"{name}: {fault}" for name, fault in found["checks"].items() if fault != "ok"]
        return "" if answer.status == 200 else "; ".join(faults)
    except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
        return f"the console does not answer: {type(error).__name__}"
    finally:
        connection.close()


def _url(config: Config) -> str:
    host = config.console.host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.console.port}/"
