import io
import os
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from node.config import (
    BlobsSection,
    ConsoleSection,
    DatabaseSection,
    DeliverySection,
    NodeSection,
    RulesSection,
    SchedulerSection,
)


def test_the_documented_defaults_hold():
    assert NodeSection().data_dir == Path("data")
    assert DatabaseSection().url == BlobsSection().url == ""
    assert (ConsoleSection().host, ConsoleSection().port) == ("127.0.0.1", 8080)


def test_logs_are_for_people_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    terminal, other = os.openpty()
    with open(terminal, "w") as stream, open(other):
        for where, auto in ((io.StringIO(), True), (stream, False)):
            monkeypatch.setattr(sys, "stderr", where)
            assert NodeSection().logs_json is auto
            assert NodeSection(log_format="json").logs_json
            assert not NodeSection(log_format="text").logs_json


def test_passwords_are_not_shown():
    assert "secret" not in repr(DatabaseSection(url="postgresql+psycopg2://u:secret@h/n"))
    assert "secret" not in repr(BlobsSection(url="s3://key:secret@bucket"))


def test_a_time_of_day_is_one():
    assert SchedulerSection(scrub_at="23:59").scrub_at == "23:59"
    for wrong in ("24:00", "2:30", "0230", "02:60"):
        with pytest.raises(ValidationError):
            SchedulerSection(scrub_at=wrong)


def test_statuses_are_patterns():
    assert DeliverySection(permanent=["A9xx", "0122"]).permanent == ("A9xx", "0122")
    for wrong in (["A9"], ["A9yy"], ["A9xxx"], "A9xx", [0x0122]):
        with pytest.raises(ValidationError):
            DeliverySection(permanent=wrong)


def test_a_study_that_is_complete_settles_sooner():
    assert RulesSection().complete_seconds < RulesSection().quiet_seconds
