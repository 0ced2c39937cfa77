"""Repositories, one for each family of records; each works in the transaction that it is given."""
