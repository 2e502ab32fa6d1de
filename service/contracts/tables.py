"""The tables of the job store."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Times in UTC on every database; SQLite forgets zones, PostgreSQL keeps them."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        found: datetime = value
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


metadata = MetaData()

studies = Table(
    "studies",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("instances", Integer, nullable=False),
    Column("bytes", Float, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("acquired", String(10)),
    Column("owner", String(32), nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("state", String(12), nullable=False),
    Column("baseline", String(32)),
    Column("follow_up", String(32), nullable=False),
    Column("options", JSON, nullable=False),
    Column("callback_url", Text),
    Column("deliver_to", JSON, nullable=False, server_default=text("'[]'")),
    Column("visits", JSON, nullable=False, server_default=text("'[]'")),
    Column("owner", String(32), nullable=False),
    Column("idempotency_key", String(64)),
    Column("request_digest", String(64), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("queued", UtcDateTime, nullable=False),
    Column("started", UtcDateTime),
    Column("ended", UtcDateTime),
    Column("attempt", Integer, nullable=False, default=0),
    Column("stage", String(16)),
    Column("fraction", Float, nullable=False, default=0.0),
    Column("error_code", String(48)),
    Column("error_message", Text),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("lease_token", String(32)),
    Column("lease_expires", UtcDateTime),
    Index("jobs_state", "state"),
    Index("jobs_created", "created", "id"),
    Index("jobs_idempotency", "owner", "idempotency_key", unique=True),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("job_id", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("target", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt", UtcDateTime, nullable=False),
    Column("last_attempt", UtcDateTime),
    Column("delivered", UtcDateTime),
    Column("error_code", String(48)),
    Column("lease_token", String(32)),
    Index("deliveries_due", "state", "next_attempt"),
    Index("deliveries_job", "job_id"),
)

series_questions = Table(
    "series_questions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("baseline", String(32)),
    Column("follow_up", String(32), nullable=False),
    Column("state", String(12), nullable=False),
    Column("asked", UtcDateTime, nullable=False),
    Column("answer", JSON),
    Column("error_code", String(48)),
    Column("error_message", Text),
    Index("series_questions_state", "state"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("scopes", String(64), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("revoked", UtcDateTime),
)

arrivals = Table(
    "arrivals",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("pacs", String(32), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("baseline_uid", String(64)),
    Column("owner", String(32), nullable=False),
    Column("state", String(12), nullable=False),
    Column("announced", Integer, nullable=False, default=1),
    Column("waiting_since", UtcDateTime, nullable=False),
    Column("seen", String(64)),
    Column("seen_since", UtcDateTime),
    Column("taken", String(64)),
    Column("job_id", String(32)),
    Column("due", UtcDateTime, nullable=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("error_code", String(48)),
    Column("created", UtcDateTime, nullable=False),
    Index("arrivals_study", "pacs", "owner", "study_uid", unique=True),
    Index("arrivals_due", "state", "due"),
)

webhook_messages = Table(
    "webhook_messages",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("received", UtcDateTime, nullable=False),
)
