"""Configuration: one frozen section for each table of config.toml."""
