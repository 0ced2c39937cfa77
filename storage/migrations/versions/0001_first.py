"""The first schema: what is archived, what happened on the way in, other nodes, events and audit."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A migration says what it made on the day it was written, so it takes nothing from `storage.records`.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
TREE = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def _words(names: str) -> Iterator[sa.Column[Any]]:
    """Yield a column of text for each of the names, which blanks separate."""
    for name in names.split():
        yield sa.Column(name, TEXT, nullable=False, server_default="")


def _indexes(table: str, names: str) -> None:
    """Make an index for each of the columns, which blanks separate."""
    for name in names.split():
        op.create_index(f"ix_{table}_{name}", table, [name])


def upgrade() -> None:
    """Apply."""
    _study()
    _series()
    _instance()
    _arrival()
    _conflict()
    _quarantine()
    _peer()
    _caller()
    _event()
    _audit()


def _study() -> None:
    op.create_table(
        "study",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        *_words("patient_name patient_name_alphabetic patient_name_ideographic"),
        *_words("patient_name_phonetic patient_id issuer_of_patient_id patient_birth_date"),
        *_words("patient_birth_date_key patient_sex study_instance_uid study_date study_date_key"),
        *_words("study_time study_time_key accession_number study_id study_description"),
        *_words("referring_physician_name referring_physician_name_alphabetic"),
        *_words("referring_physician_name_ideographic referring_physician_name_phonetic"),
        *_words("modalities_in_study sop_classes_in_study"),
        sa.Column("number_of_series", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("number_of_instances", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("identity_conflict", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
        sa.UniqueConstraint("study_instance_uid", name="uq_study_study_instance_uid"),
    )
    _indexes("study", "accession_number created_at issuer_of_patient_id patient_birth_date_key")
    _indexes("study", "patient_id patient_name_alphabetic patient_name_ideographic")
    _indexes("study", "patient_name_phonetic patient_sex referring_physician_name_alphabetic")
    _indexes("study", "referring_physician_name_ideographic referring_physician_name_phonetic")
    _indexes("study", "study_date_key study_description study_id study_time_key")


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("study_row", KEY, nullable=False),
        *_words("series_instance_uid modality series_number"),
        sa.Column("series_number_key", KEY, nullable=True),
        *_words("series_description series_date series_date_key series_time series_time_key"),
        *_words("body_part_examined protocol_name laterality station_name institution_name"),
        *_words("institutional_department_name manufacturer manufacturer_model_name"),
        *_words("performing_physician_name performing_physician_name_alphabetic"),
        *_words("performing_physician_name_ideographic performing_physician_name_phonetic"),
        *_words("operators_name operators_name_alphabetic operators_name_ideographic"),
        *_words("operators_name_phonetic performed_procedure_step_start_date"),
        *_words("performed_procedure_step_start_date_key performed_procedure_step_start_time"),
        *_words("performed_procedure_step_start_time_key"),
        sa.Column("number_of_instances", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.ForeignKeyConstraint(["study_row"], ["study.id"], name="fk_series_study_row"),
        sa.UniqueConstraint(
            "study_row", "series_instance_uid", name="uq_series_study_row_series_instance_uid"
        ),
    )
    _indexes("series", "body_part_examined institution_name institutional_department_name")
    _indexes("series", "laterality manufacturer manufacturer_model_name modality")
    _indexes("series", "operators_name_alphabetic operators_name_ideographic")
    _indexes("series", "operators_name_phonetic performed_procedure_step_start_date_key")
    _indexes("series", "performed_procedure_step_start_time_key")
    _indexes("series", "performing_physician_name_alphabetic performing_physician_name_ideographic")
    _indexes("series", "performing_physician_name_phonetic protocol_name series_date_key")
    _indexes("series", "series_description series_instance_uid series_number_key series_time_key")
    _indexes("series", "station_name")


def _instance() -> None:
    op.create_table(
        "instance",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("series_row", KEY, nullable=False),
        *_words("sop_instance_uid sop_class_uid instance_number"),
        sa.Column("instance_number_key", KEY, nullable=True),
        *_words("acquisition_number"),
        sa.Column("acquisition_number_key", KEY, nullable=True),
        *_words("image_type content_date content_date_key content_time content_time_key rows"),
        sa.Column("rows_key", KEY, nullable=True),
        *_words("columns"),
        sa.Column("columns_key", KEY, nullable=True),
        *_words("bits_allocated"),
        sa.Column("bits_allocated_key", KEY, nullable=True),
        *_words("number_of_frames"),
        sa.Column("number_of_frames_key", KEY, nullable=True),
        *_words("photometric_interpretation transfer_syntax_uid blob_key"),
        sa.Column("blob_offset", sa.BigInteger(), nullable=False),
        sa.Column("blob_size", sa.BigInteger(), nullable=False),
        *_words("digest"),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
        sa.ForeignKeyConstraint(["series_row"], ["series.id"], name="fk_instance_series_row"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_instance_sop_instance_uid"),
    )
    _indexes("instance", "blob_key received_at")
    op.create_index(
        "ix_instance_series_row_instance_number_key", "instance", ["series_row", "instance_number_key"]
    )


def _arrival() -> None:
    op.create_table(
        "arrival",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("instance_row", KEY, nullable=False),
        *_words("verdict way calling_ae called_ae address user_name"),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_arrival"),
        sa.ForeignKeyConstraint(["instance_row"], ["instance.id"], name="fk_arrival_instance_row"),
    )
    _indexes("arrival", "instance_row received_at")


def _conflict() -> None:
    op.create_table(
        "conflict",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        *_words("kind fingerprint"),
        sa.Column("study_row", KEY, nullable=False),
        sa.Column("instance_row", KEY, nullable=False),
        *_words("transfer_syntax_uid blob_key"),
        sa.Column("blob_offset", sa.BigInteger(), nullable=False),
        sa.Column("blob_size", sa.BigInteger(), nullable=False),
        *_words("digest"),
        sa.Column("attributes", TREE, nullable=False),
        *_words("way calling_ae called_ae address user_name"),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("resolved_at", MOMENT, nullable=True),
        *_words("resolution"),
        sa.PrimaryKeyConstraint("id", name="pk_conflict"),
        sa.ForeignKeyConstraint(["instance_row"], ["instance.id"], name="fk_conflict_instance_row"),
        sa.ForeignKeyConstraint(["study_row"], ["study.id"], name="fk_conflict_study_row"),
        sa.UniqueConstraint("fingerprint", name="uq_conflict_fingerprint"),
    )
    _indexes("conflict", "blob_key instance_row received_at study_row")


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        *_words("blob_key"),
        sa.Column("blob_size", sa.BigInteger(), nullable=False),
        *_words("digest reason sop_class_uid sop_instance_uid transfer_syntax_uid way calling_ae"),
        *_words("called_ae address user_name"),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
    )
    _indexes("quarantine", "blob_key received_at sop_instance_uid")


def _peer() -> None:
    op.create_table(
        "peer",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        *_words("name ae_title host"),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("tls", sa.Boolean(), nullable=False),
        sa.Column("may_query", sa.Boolean(), nullable=False),
        sa.Column("may_store", sa.Boolean(), nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_peer"),
        sa.UniqueConstraint("name", name="uq_peer_name"),
    )
    _indexes("peer", "ae_title")


def _caller() -> None:
    op.create_table(
        "caller",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        *_words("ae_title address"),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        *_words("asked"),
        sa.PrimaryKeyConstraint("id", name="pk_caller"),
        sa.UniqueConstraint("ae_title", "address", name="uq_caller_ae_title_address"),
    )
    _indexes("caller", "last_seen")


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        *_words("kind study_instance_uid series_instance_uid sop_instance_uid"),
        sa.Column("detail", TREE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    _indexes("event", "at kind sop_instance_uid study_instance_uid")


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        *_words("actor address action subject outcome"),
        sa.Column("detail", TREE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    _indexes("audit", "action actor at subject")
