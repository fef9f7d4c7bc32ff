"""What worker processes are forked from: everything that one needs is loaded here, once, and no thread is running.

Imported by the fork server alone, for its effect.
"""

from __future__ import annotations

import gc

from sqlalchemy.orm import configure_mappers

from ingester import worker as _worker  # noqa: F401 -- loaded to be there after the fork

configure_mappers()
# Garbage collection writes to what it looks at; what is here already stays for good, and shared.
gc.collect()
gc.freeze()
