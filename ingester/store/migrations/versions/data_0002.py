"""What became of an import's rows, beside the marker that they are committed."""

import sqlalchemy as sa
from alembic import op

revision = "data_0002"
down_revision = "data_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("import_outcomes", sa.Column("stats", sa.JSON(), nullable=True))
