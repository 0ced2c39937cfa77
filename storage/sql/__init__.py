"""What differs between SQLite and PostgreSQL in the statements themselves."""
