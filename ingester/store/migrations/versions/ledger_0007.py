"""How files in folders are known to be complete; retention, legal holds, and the record of what was removed."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0007"
down_revision = "ledger_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    moment = sa.DateTime(timezone=True)
    words = sa.Enum("close", "rename", "stable", "marker", name="completeon", native_enum=False, length=20)
    for table in ("tenants", "feeds"):
        op.add_column(table, sa.Column("complete_on", words, nullable=True))
    op.add_column("tenants", sa.Column("retention", sa.JSON(), nullable=True))
    op.add_column("tenants", sa.Column("purging_at", moment, nullable=True))
    op.add_column("drops", sa.Column("removed_at", moment, nullable=True))
    op.create_index("imports_ended", "imports", ["tenant", "completed_at"])
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("import_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "import_id"),
    )
    op.create_table(
        "removals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("import_id", sa.String(), nullable=True),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("removed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("removals_tenant", "removals", ["tenant", "id"])
    op.create_index("removals_moment", "removals", ["removed_at"])
