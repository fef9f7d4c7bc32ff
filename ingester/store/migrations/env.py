"""Runs Alembic's revisions on the connection that `ingester.store.migrate.upgrade` hands over.

The caller owns the transaction, so that a half-done upgrade never stays.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
