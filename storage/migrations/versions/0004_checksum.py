"""A checksum beside each digest, for those who read."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply; what is there already is proven by its digest."""
    for table in ("instance", "conflict"):
        op.add_column(table, sa.Column("checksum", TEXT, nullable=False, server_default=""))
