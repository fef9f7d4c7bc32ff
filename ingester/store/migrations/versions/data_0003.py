"""How long the phases of an applied import took."""

import sqlalchemy as sa
from alembic import op

revision = "data_0003"
down_revision = "data_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("import_outcomes", sa.Column("phase_seconds", sa.JSON(), nullable=True))
