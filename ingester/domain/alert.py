"""The closed vocabulary of alerts: what may go wrong with a feed or an inbox without any import that failed."""

from __future__ import annotations

from enum import StrEnum


class AlertKind(StrEnum):
    """What an operator, or a customer, should look at."""

    #: A drop has not come by its due moment and grace.
    LATE = "late"
    #: The next due moment came, and it has never come.
    MISSING = "missing"
    #: It came without a row.
    EMPTY = "empty"
    #: It came with fewer rows than the feed says, or than the drops before it had.
    SHRUNKEN = "shrunken"
    #: An upload lies in an inbox under an unfinished name.
    STALE_UPLOAD = "stale_upload"
    #: A done-marker lies in an inbox without its file.
    ORPHAN_MARKER = "orphan_marker"
