"""Processes: what `isocentre serve` and systemd start, watch and stop."""
