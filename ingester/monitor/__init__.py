"""What operators and their machines ask a running service: metrics, and whether it is alive and ready.

`monitor` is what the composition root builds; `meter` counts what happens in this process, `counted` turns the ledger's
totals into metrics; `question` asks what may be stuck; `health` judges the answers; `listener` speaks HTTP.
"""
