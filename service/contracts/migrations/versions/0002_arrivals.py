"""Studies that a PACS has told us of, and the messages that told it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "arrivals",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("pacs", sa.String(32), nullable=False),
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("baseline_uid", sa.String(64)),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("announced", sa.Integer, nullable=False),
        sa.Column("waiting_since", time, nullable=False),
        sa.Column("seen", sa.String(64)),
        sa.Column("seen_since", time),
        sa.Column("taken", sa.String(64)),
        sa.Column("job_id", sa.String(32)),
        sa.Column("due", time, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("error_code", sa.String(48)),
        sa.Column("created", time, nullable=False),
    )
    op.create_index("arrivals_study", "arrivals", ["pacs", "owner", "study_uid"], unique=True)
    op.create_index("arrivals_due", "arrivals", ["state", "due"])
    op.create_table(
        "webhook_messages",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("received", time, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("webhook_messages")
    op.drop_table("arrivals")
