"""When imports start, how long they may run; weights, pauses, leases; the data directory that a ledger belongs to."""

import sqlalchemy as sa
from alembic import op

from ingester.store.database import UtcDateTime

revision = "ledger_0004"
down_revision = "ledger_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    for name, kind, default in (
        ("weight", sa.Integer(), "1"),
        ("settle_seconds", sa.Integer(), "0"),
        ("turn", sa.Float(), "0"),
    ):
        op.add_column("tenants", sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("tenants", sa.Column("concurrency", sa.Integer(), nullable=True))
    hold = sa.Enum("block", "supersede", name="holdhandling", native_enum=False, length=20)
    for table in ("feeds", "imports"):
        op.add_column(table, sa.Column("on_hold", hold, nullable=False, server_default="block"))
        op.add_column(table, sa.Column("settle_seconds", sa.Integer(), nullable=False, server_default="0"))
        op.add_column(table, sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
        op.add_column(table, sa.Column("time_limit_seconds", sa.Integer(), nullable=True))
    op.add_column("feeds", sa.Column("schedule", sa.String(), nullable=False, server_default="immediate"))
    op.add_column("feeds", sa.Column("window_seconds", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("feeds", sa.Column("blackout", sa.JSON(), nullable=True))
    for table in ("tenants", "feeds"):
        op.add_column(table, sa.Column("paused_at", UtcDateTime(), nullable=True))
    op.add_column("attempts", sa.Column("overran_at", UtcDateTime(), nullable=True))
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
