"""Questions which series a comparison would use, and their answers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "series_questions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("baseline", sa.String(32)),
        sa.Column("follow_up", sa.String(32), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("asked", time, nullable=False),
        sa.Column("answer", sa.JSON),
        sa.Column("error_code", sa.String(48)),
        sa.Column("error_message", sa.Text),
    )
    op.create_index("series_questions_state", "series_questions", ["state"])


def downgrade() -> None:
    op.drop_table("series_questions")
