from pathlib import Path

import pytest

from node.cli.session import opened
from node.config import load
from storage.archive import Archive
from tests.support.node import write_config


def test_a_node_is_open_for_the_block(tmp_path: Path, archive_url: str):
    config = load(write_config(tmp_path, archive_url), {})

    def use() -> None:
        with opened(config) as node:
            node.callers.note("CT1", "a", [], refused=False)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    archive = Archive.open(archive_url)
    with archive.read() as tx:
        assert len(tx.callers.list()) == 1  # written when it was closed
    archive.close()
