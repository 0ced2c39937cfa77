from pathlib import Path

import pytest

from node.config import Config, DatabaseSection, NodeSection
from node.core.errors import UserError


def test_without_a_url_the_database_is_in_the_data_folder(tmp_path: Path):
    config = Config(node=NodeSection(data_dir=tmp_path))
    assert config.data_dir == tmp_path
    assert config.database_url == f"sqlite:///{tmp_path}/index.db"


def test_a_url_is_kept():
    assert Config(database=DatabaseSection(url="sqlite:////x.db")).database_url == "sqlite:////x.db"


def test_a_data_folder_that_no_url_can_name():
    with pytest.raises(UserError, match=r"node\.data_dir"):
        _ = Config(node=NodeSection(data_dir=Path("/what?"))).database_url


def test_the_data_folder_is_absolute():
    assert Config().data_dir == Path.cwd() / "data"
