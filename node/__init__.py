"""Every use case and every job: what `scp` and `console` ask for, done with `scu`, `rules` and `storage`."""
