"""What Alembic runs: the revisions, on the connection and in the transaction that it was given."""

from alembic import context

from storage.records.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
