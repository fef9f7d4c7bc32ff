"""What is removed when it need not be kept any more, and the purge of a tenant; small steps, each recorded.

Periods, legal holds and the record are the ledger's (`store/retention.py`); what lies in inboxes is the folder watch's.
"""
