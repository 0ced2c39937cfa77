"""Trouble is told without quoting anybody."""

from node.core.trouble import report
from storage.errors import Unavailable


def test_a_report_says_where_but_quotes_only_our_own_errors(capsys):
    try:
        raise ValueError("Doe^John")
    except ValueError as error:
        report("ingest.failed", error, "1.2.3")
    report("ingest.failed", Unavailable("the disk is gone"), "1.2.3")
    log = capsys.readouterr()
    text = log.out + log.err
    assert "Doe" not in text
    assert "test_trouble.py:" in text
    assert "the disk is gone" in text
    assert "1.2.3" in text
