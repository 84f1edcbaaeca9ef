"""Generated API keys, and what each has spent a day."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "api_keys",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("hint", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.Column("last_used_at", sa.Float),
        sa.Column("models", sa.Text),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("tokens_per_day", sa.Integer),
        sa.Column("usd_per_day", sa.Float),
    )
    op.create_table(
        "api_key_days",
        sa.Column("name", sa.String, sa.ForeignKey("api_keys.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("estimated_tokens", sa.Integer, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("unpriced", sa.Integer, nullable=False),
    )
