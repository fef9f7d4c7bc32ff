"""How the files of a feed are read, and those of an import were to be."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0009"
down_revision = "ledger_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    for table in ("feeds", "imports"):
        op.add_column(table, sa.Column("reads", sa.JSON(), nullable=True))
