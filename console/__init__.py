"""The front door for people and programs: HTTP to services of `node`, and nothing decided here."""
