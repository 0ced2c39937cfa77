from pathlib import Path

import pytest

from node.config import load
from node.core.errors import UserError
from node.run.opening import open_archive
from storage.errors import StorageError


def at(folder: Path, **environ: str):
    return load(None, environ={"ISOCENTRE_NODE__DATA_DIR": str(folder), **environ})


def test_the_data_folder_is_made(tmp_path: Path):
    archive = open_archive(at(tmp_path / "new" / "data"))
    assert archive.kind == "sqlite"
    assert not archive.is_current()
    archive.close()
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o750


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^node\.data_dir: .*/file/data: Not a directory$"):
        open_archive(at(tmp_path / "file" / "data"))


def test_a_database_that_is_away_is_told(tmp_path: Path):
    url = "postgresql+psycopg2://nobody@127.0.0.1:1/x"
    with pytest.raises(StorageError, match="database"):
        open_archive(at(tmp_path, ISOCENTRE_DATABASE__URL=url))
