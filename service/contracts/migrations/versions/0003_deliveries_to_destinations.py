"""Jobs name the destinations of their result; deliveries know their lease, last attempt, last error and arrival."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.add_column("jobs", sa.Column("deliver_to", sa.JSON, nullable=False, server_default=sa.text("'[]'")))
    for column in (
        sa.Column("last_attempt", time),
        sa.Column("delivered", time),
        sa.Column("error_code", sa.String(48)),
        sa.Column("lease_token", sa.String(32)),
    ):
        op.add_column("deliveries", column)
    op.create_index("deliveries_job", "deliveries", ["job_id"])


def downgrade() -> None:
    op.drop_index("deliveries_job", "deliveries")
    for name in ("lease_token", "error_code", "delivered", "last_attempt"):
        op.drop_column("deliveries", name)
    op.drop_column("jobs", "deliver_to")
