"""What is durable: the ledger (tenants, drops, imports), entity tables, and the outcomes that prove an import.

On SQLite there are two files. `ledger.db` is written in short transactions that landing and heartbeats wait for;
`ingester.db` holds entity tables and outcomes, and may be locked for seconds by one merge. No commit spans both:
an import counts as applied when its outcome is in the data transaction, whatever the ledger says.
"""
