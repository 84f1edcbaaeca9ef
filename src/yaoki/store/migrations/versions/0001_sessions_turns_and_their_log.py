"""Sessions, turns, and their log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "yaoki_meta", sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String, nullable=False)
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("session_type", sa.String, nullable=False),
        sa.Column("agent", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
    )
    op.create_index("sessions_of_owner", "sessions", ["owner", "updated_at"])
    op.create_table(
        "turns",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("session_id", sa.String, sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("message_id", sa.String, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("agent", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("accepted_seq", sa.Integer, nullable=False),
        sa.Column("checksum", sa.String, nullable=False),
        sa.UniqueConstraint("session_id", "message_id"),
        sa.UniqueConstraint("session_id", "position"),
    )
    op.create_index("turns_by_status", "turns", ["status"])
    op.create_table(
        "events",
        sa.Column("session_id", sa.String, sa.ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("turn_id", sa.String, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("checksum", sa.String, nullable=False),
    )
    op.create_table(
        "model_messages",
        sa.Column("turn_id", sa.String, sa.ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("checksum", sa.String, nullable=False),
    )
