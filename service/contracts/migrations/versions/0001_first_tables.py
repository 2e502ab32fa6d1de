"""The first tables: studies, jobs, deliveries, API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "studies",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("instances", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Float, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("acquired", sa.String(10)),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("created", time, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("baseline", sa.String(32)),
        sa.Column("follow_up", sa.String(32), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("callback_url", sa.Text),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("idempotency_key", sa.String(64)),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("created", time, nullable=False),
        sa.Column("queued", time, nullable=False),
        sa.Column("started", time),
        sa.Column("ended", time),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("stage", sa.String(16)),
        sa.Column("fraction", sa.Float, nullable=False),
        sa.Column("error_code", sa.String(48)),
        sa.Column("error_message", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("lease_token", sa.String(32)),
        sa.Column("lease_expires", time),
    )
    op.create_index("jobs_state", "jobs", ["state"])
    op.create_index("jobs_created", "jobs", ["created", "id"])
    op.create_index("jobs_idempotency", "jobs", ["owner", "idempotency_key"], unique=True)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt", time, nullable=False),
    )
    op.create_index("deliveries_due", "deliveries", ["state", "next_attempt"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(64), nullable=False),
        sa.Column("created", time, nullable=False),
        sa.Column("revoked", time),
    )


def downgrade() -> None:
    for table in ("api_keys", "deliveries", "jobs", "studies"):
        op.drop_table(table)
