"""S3 inboxes, and the objects that came through them."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0005"
down_revision = "ledger_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "s3_inboxes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("endpoint_url", sa.String(), nullable=True),
        sa.Column("region", sa.String(), nullable=True),
        sa.Column("addressing", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=True),
        sa.Column("access_key_variable", sa.String(), nullable=True),
        sa.Column("secret_key_variable", sa.String(), nullable=True),
        sa.Column("credentials_file", sa.String(), nullable=True),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column(
            "after",
            sa.Enum("keep", "tag", "move", "delete", name="afterimport", native_enum=False, length=20),
            nullable=False,
        ),
        sa.Column("move_prefix", sa.String(), nullable=True),
        sa.Column("sqs_queue_url", sa.String(), nullable=True),
        sa.Column("outbox_prefix", sa.String(), nullable=True),
        sa.Column("poll_seconds", sa.Float(), nullable=False),
        sa.Column("position", sa.String(), nullable=True),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.Column("trouble_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "s3_objects",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("inbox_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.String(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told", sa.String(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ref"),
    )
    op.create_index("s3_objects_settled", "s3_objects", ["settled_at", "inbox_id"], unique=False)
    op.create_index("s3_objects_reported", "s3_objects", ["reported_at", "inbox_id"], unique=False)
    op.create_index("s3_objects_key", "s3_objects", ["inbox_id", "key"], unique=False)
