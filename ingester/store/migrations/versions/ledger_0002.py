"""What a feed does with the records of its files: action, empty cells, the guard of overwrite."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0002"
down_revision = "ledger_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column(
        "feeds",
        sa.Column(
            "action",
            sa.Enum("merge", "overwrite", "delete", "create", "update", name="action", native_enum=False, length=20),
            nullable=False,
            server_default="merge",
        ),
    )
    for table in ("feeds", "imports"):
        op.add_column(table, sa.Column("empty_erases", sa.Boolean(), nullable=False, server_default=sa.false()))
        op.add_column(table, sa.Column("removal_guard_percent", sa.Integer(), nullable=False, server_default="50"))
