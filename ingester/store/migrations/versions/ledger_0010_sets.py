"""Archives whose files are imports of their own."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0010_sets"
down_revision = "ledger_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("drops", sa.Column("member", sa.String(), nullable=True))
    op.add_column("imports", sa.Column("run_id", sa.String(), nullable=True))
    op.add_column("imports", sa.Column("position", sa.Integer(), nullable=True))
    op.add_column("imports", sa.Column("opens", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("imports_run", "imports", ["run_id"])
    op.drop_index("imports_series", "imports")
    op.create_index("imports_series", "imports", ["tenant", "catalogue", "entity", "source", "position", "sequence"])
