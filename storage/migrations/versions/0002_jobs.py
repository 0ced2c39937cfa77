"""Jobs and bookmarks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
TREE = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Apply."""
    _job()
    _partial("ix_job_due", ["priority", "run_after", "id"], "state = 'queued'")
    _partial("ix_job_leased", ["lease_until"], "state = 'running'")
    _partial("uq_job_open", ["dedupe"], "state IN ('queued', 'running') AND dedupe <> ''", unique=True)
    _partial("ix_job_ended", ["state", "finished_at"], "finished_at IS NOT NULL")
    op.create_table(
        "bookmark",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("name"),
        sa.Column("place", TREE, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bookmark"),
        sa.UniqueConstraint("name", name="uq_bookmark_name"),
    )


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("kind"),
        sa.Column("payload", TREE, nullable=False),
        _words("dedupe"),
        _words("state"),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("run_after", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("max_failures", sa.Integer(), nullable=False),
        _words("worker"),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        _words("error"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False, server_default="")


def _partial(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "job", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
