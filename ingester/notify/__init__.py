"""Telling people and programs what happened: by mail, webhook or chat, from an outbox that is part of the ledger.

`notification.announce` is called in the transaction of what it tells of; `delivery.Delivery` brings it to its targets.
"""
