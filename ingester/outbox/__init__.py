"""What customers get back: status files, error and rejects CSVs. Formats and names are contracts.

`name` and `status` load nothing heavy and serve the listeners too; `report` writes from Arrow columns.
"""
