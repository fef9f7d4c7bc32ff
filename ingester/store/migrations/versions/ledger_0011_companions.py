"""Done-markers, checksums and control files, and imports that wait for them."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0011_companions"
down_revision = "ledger_0010_sets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    moment = sa.DateTime(timezone=True)
    origins = sa.Enum("sftp", "s3", "folder", "http", name="origin", native_enum=False, length=20)
    kinds = sa.Enum("marker", "md5", "sha256", "control", name="companionkind", native_enum=False, length=20)
    op.add_column("drops", sa.Column("stem", sa.String(), nullable=True))
    op.create_index("drops_stem", "drops", ["tenant", "stem"])
    op.add_column("imports", sa.Column("awaits", sa.JSON(), nullable=True))
    op.add_column("imports", sa.Column("starts_at", moment, nullable=True))
    op.add_column("imports", sa.Column("accompanied", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "companions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("origin", origins, nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", kinds, nullable=False),
        sa.Column("of", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("origin_ref", sa.String(), nullable=True),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("landed_at", moment, nullable=False),
        sa.Column("import_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"]),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("companions_of", "companions", ["tenant", "of"])
    op.create_index("companions_shown", "companions", ["shown", "tenant", "folder", "name"])
    op.create_index("companions_origin_ref", "companions", ["origin_ref"])
    op.create_index("ix_companions_import_id", "companions", ["import_id"])
