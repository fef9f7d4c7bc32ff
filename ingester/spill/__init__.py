"""What phases leave for one another on disk: typed rows, notices keyed by row, and the verdict on each row.

A phase knows only this, never another phase. Everything here grows with the file and so lives in the attempt's
workspace; memory holds one batch, and one byte for each row's verdict.
"""
