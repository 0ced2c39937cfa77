"""The front door for scanners and PACS: DIMSE to services of `node`, and nothing decided here."""
