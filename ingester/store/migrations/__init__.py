"""Alembic's environment: one script folder with two branches, `ledger` and `data`, for the two halves of the store."""
