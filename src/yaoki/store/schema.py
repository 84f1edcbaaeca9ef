"""The tables. Every record that a turn depends on carries a checksum."""

import hashlib

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0002"
"""The newest migration; a change of a table is a new file in `migrations/versions`."""

metadata = MetaData()

meta = Table("yaoki_meta", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))

sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("session_type", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("title", String, nullable=False),
    Column("status", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("metadata", JSON, nullable=False),
    Index("sessions_of_owner", "owner", "updated_at"),
)

turns = Table(
    "turns",
    metadata,
    Column("id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("session_id", String, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", String, nullable=False),
    Column("content", Text, nullable=False),
    Column("agent", String, nullable=False),
    Column("status", String, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("accepted_seq", Integer, nullable=False),
    Column("checksum", String, nullable=False),
    UniqueConstraint("session_id", "message_id"),
    UniqueConstraint("session_id", "position"),
    Index("turns_by_status", "status"),
)

events = Table(
    "events",
    metadata,
    Column("session_id", String, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("turn_id", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("type", String, nullable=False),
    Column("payload", Text, nullable=False),
    Column("checksum", String, nullable=False),
)

model_messages = Table(
    "model_messages",
    metadata,
    Column("turn_id", String, ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("payload", Text, nullable=False),
    Column("checksum", String, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("hint", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("last_used_at", Float),
    Column("models", Text),
    Column("requests_per_minute", Integer),
    Column("tokens_per_day", Integer),
    Column("usd_per_day", Float),
)

api_key_days = Table(
    "api_key_days",
    metadata,
    Column("name", String, ForeignKey("api_keys.name", ondelete="CASCADE"), primary_key=True),
    Column("day", String, primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("estimated_tokens", Integer, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("unpriced", Integer, nullable=False),
)


def create(connection: Connection) -> None:
    """Make all tables in an empty database, inside the caller's transaction, as all migrations together would."""
    metadata.create_all(connection)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version"
        " (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql("INSERT INTO alembic_version (version_num) VALUES (?)", (HEAD,))


def put_meta(connection: Connection, key: str, value: str | None) -> None:
    """Note a fact about the database itself; None forgets it."""
    connection.execute(meta.delete().where(meta.c.key == key))
    if value is not None:
        connection.execute(meta.insert().values(key=key, value=value))


def checksum(*parts: object) -> str:
    """A short SHA-256 over the parts of a record, against decay and stray edits, not against an attacker."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:16]
