"""From bytes to batches of text cells: detect, cut at row boundaries, read. Knows files, not rules.

opening.py   from a drop to a reader of its rows: unpacked, told what it is (`identify.py`), brought into a form for it
packed/      what files are packed in: compression, archives, OpenPGP
text/        delimited text, which all other formats become: told what it is, rewritten if need be, read in blocks
rows/        whole rows found in its bytes
records/     JSON, XML, Parquet and fixed width, brought into the plain form
sheets/      workbooks, likewise
plain.py     that form;  rewritten.py: how its cells are turned back into what they were before
in_order.py  parts of a file worked on by threads
heading.py   which row is the header, in text and sheets
child.py     a reader in a process of its own;  serving.py: the side that is in that process
"""
