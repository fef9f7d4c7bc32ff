"""What becomes of drops that repeat earlier ones; the counts of each import."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0003"
down_revision = "ledger_0002"
branch_labels = None
depends_on = None

_DEFAULTS = {"on_repeated": "skip", "on_renamed": "skip", "on_revised": "import"}


def upgrade() -> None:
    """Apply this revision."""
    kind = sa.Enum("import", "skip", "hold", name="repeathandling", native_enum=False, length=20)
    for table in ("feeds", "imports"):
        for name, default in _DEFAULTS.items():
            op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("imports", sa.Column("stats", sa.JSON(), nullable=True))
