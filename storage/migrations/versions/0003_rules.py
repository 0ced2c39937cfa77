"""Rule sets and what they decided, deliveries, held jobs and the path of an origin."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
TREE = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
OPEN = "state IN ('queued', 'running', 'held') AND dedupe <> ''"


def upgrade() -> None:
    """Apply."""
    _ruleset()
    _activation()
    _decision()
    _label()
    _assignment()
    _hold()
    _settling()
    _gone()
    _destination()
    _delivery()
    _commitment()
    _attempt()
    _jobs()
    for table in ("arrival", "conflict", "quarantine"):
        op.add_column(table, _words("path"))


def _jobs() -> None:
    for name in ("progress", "total"):
        op.add_column("job", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.drop_index("ix_job_due", "job")
    _partial("ix_job_due", "job", ["kind", "priority", "run_after", "id"], "state = 'queued'")
    op.drop_index("uq_job_open", "job")
    _partial("uq_job_open", "job", ["dedupe"], OPEN, unique=True)
    _partial("ix_job_held", "job", ["id"], "state = 'held'")
    _partial("ix_job_about", "job", ["dedupe"], "dedupe <> ''")


def _ruleset() -> None:
    op.create_table(
        "ruleset",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("digest"),
        _words("source"),
        sa.Column("plain", TREE, nullable=False),
        _words("author"),
        _words("note"),
        sa.Column("based_on", sa.Integer(), nullable=True),
        _words("difference"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ruleset"),
    )
    op.create_index("ix_ruleset_digest", "ruleset", ["digest"])


def _activation() -> None:
    op.create_table(
        "activation",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("role"),
        sa.Column("revision", KEY, nullable=True),
        _words("author"),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["revision"], ["ruleset.id"], name="fk_activation_revision"),
        sa.PrimaryKeyConstraint("id", name="pk_activation"),
    )
    op.create_index("ix_activation_role_id", "activation", ["role", "id"])


def _decision() -> None:
    op.create_table(
        "decision",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("level"),
        sa.Column("row", KEY, nullable=False),
        _words("role"),
        sa.Column("revision", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("local", sa.Integer(), nullable=False),
        sa.Column("seen", TREE, nullable=False),
        sa.Column("outcomes", TREE, nullable=False),
        sa.Column("stale_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["revision"], ["ruleset.id"], name="fk_decision_revision"),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_row_level", "decision", ["row", "level"])


def _label() -> None:
    op.create_table(
        "label",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("level"),
        sa.Column("row", KEY, nullable=False),
        sa.Column("study_row", KEY, nullable=False),
        _words("label"),
        _words("author"),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["study_row"], ["study.id"], name="fk_label_study_row"),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
    )
    op.create_index("ix_label_study_row", "label", ["study_row"])
    op.create_index("uq_label_level_row_label", "label", ["level", "row", "label"], unique=True)


def _assignment() -> None:
    op.create_table(
        "assignment",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("study_row", KEY, nullable=False),
        _words("centre"),
        _words("reader"),
        _words("urgency"),
        _words("author"),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["study_row"], ["study.id"], name="fk_assignment_study_row"),
        sa.PrimaryKeyConstraint("id", name="pk_assignment"),
    )
    op.create_index("ix_assignment_study_row", "assignment", ["study_row"])


def _hold() -> None:
    op.create_table(
        "hold",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("level"),
        sa.Column("row", KEY, nullable=False),
        sa.Column("study_row", KEY, nullable=False),
        _words("reason"),
        _words("author"),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("released_at", MOMENT, nullable=True),
        _words("released_by"),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
    )
    _partial(
        "uq_hold_open", "hold", ["study_row", "level", "row", "reason"], "released_at IS NULL", unique=True
    )


def _settling() -> None:
    op.create_table(
        "settling",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("study_row", KEY, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("due", MOMENT, nullable=False),
        sa.Column("growth", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["study_row"], ["study.id"], name="fk_settling_study_row"),
        sa.PrimaryKeyConstraint("id", name="pk_settling"),
        sa.UniqueConstraint("study_row", name="uq_settling_study_row"),
    )
    op.create_index("ix_settling_due", "settling", ["due"])


def _gone() -> None:
    op.create_table(
        "gone",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("sop_instance_uid"),
        _words("series_instance_uid"),
        _words("study_instance_uid"),
        _words("sop_class_uid"),
        _words("digest"),
        _words("reason"),
        _words("author"),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("instance_row", KEY, nullable=False),
        sa.Column("series_row", KEY, nullable=False),
        sa.Column("study_row", KEY, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gone"),
    )
    for row in ("instance_row", "series_row", "study_row"):
        op.create_index(f"ix_gone_{row}", "gone", [row])
    op.create_index("ix_gone_sop_instance_uid", "gone", ["sop_instance_uid"])
    op.create_index("ix_gone_study_instance_uid", "gone", ["study_instance_uid"])


def _destination() -> None:
    op.create_table(
        "destination",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("name"),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("associations", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.Column("window", TREE, nullable=True),
        _words("syntaxes"),
        sa.Column("commitment", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("probe_at", MOMENT, nullable=True),
        _words("error"),
        sa.Column("succeeded_at", MOMENT, nullable=True),
        _words("worker"),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_destination"),
        sa.UniqueConstraint("name", name="uq_destination_name"),
    )


def _delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("instance_row", KEY, nullable=False),
        sa.Column("destination_row", KEY, nullable=False),
        sa.Column("study_row", KEY, nullable=False),
        sa.Column("series_row", KEY, nullable=False),
        sa.Column("instance_number", sa.BigInteger(), nullable=False),
        _words("state"),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("due", MOMENT, nullable=True),
        sa.Column("queued_at", MOMENT, nullable=False),
        _words("rules"),
        _words("alternate"),
        sa.Column("instead_of", KEY, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _words("worker"),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        _words("words"),
        _words("transfer_syntax_uid"),
        _words("digest"),
        sa.Column("commitment_row", KEY, nullable=True),
        _words("committed"),
        sa.ForeignKeyConstraint(["destination_row"], ["destination.id"], name="fk_delivery_destination_row"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.UniqueConstraint(
            "instance_row", "destination_row", name="uq_delivery_instance_row_destination_row"
        ),
    )
    _partial(
        "ix_delivery_alternate",
        "delivery",
        ["destination_row", "alternate", "series_row", "instance_number", "id"],
        "state = 'queued' AND alternate <> ''",
    )
    _partial("ix_delivery_commitment", "delivery", ["commitment_row"], "commitment_row IS NOT NULL")
    _partial("ix_delivery_queue", "delivery", ["destination_row", "rank", "id"], "state = 'queued'")
    _partial("ix_delivery_sending", "delivery", ["destination_row"], "state = 'sending'")
    _partial(
        "ix_delivery_series",
        "delivery",
        ["destination_row", "series_row", "instance_number", "id"],
        "state = 'queued'",
    )
    _partial("ix_delivery_stuck", "delivery", ["state", "destination_row", "id"], "state IN ('held', 'dead')")
    op.create_index("ix_delivery_study_row", "delivery", ["study_row"])
    _partial("ix_delivery_queued_at", "delivery", ["destination_row", "queued_at"], "attempts >= 0")
    _partial("ix_delivery_uncommitted", "delivery", ["destination_row", "id"], "committed = 'due'")
    _partial("ix_delivery_waiting", "delivery", ["destination_row", "due"], "state = 'waiting'")


def _commitment() -> None:
    op.create_table(
        "commitment",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        _words("transaction_uid"),
        sa.Column("destination_row", KEY, nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("committed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["destination_row"], ["destination.id"], name="fk_commitment_destination_row"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_commitment"),
        sa.UniqueConstraint("transaction_uid", name="uq_commitment_transaction_uid"),
    )
    _partial("ix_commitment_open", "commitment", ["destination_row", "requested_at"], "answered_at IS NULL")


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("delivery_row", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _words("state"),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        _words("words"),
        _words("digest"),
        _words("worker"),
        sa.ForeignKeyConstraint(["delivery_row"], ["delivery.id"], name="fk_attempt_delivery_row"),
        sa.PrimaryKeyConstraint("id", name="pk_attempt"),
    )
    op.create_index("ix_attempt_delivery_row", "attempt", ["delivery_row"])


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False, server_default="")


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
