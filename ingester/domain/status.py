"""The closed vocabularies of an import's life: status, outcome, action, origin, how files are treated."""

from __future__ import annotations

from enum import StrEnum


class Origin(StrEnum):
    """Which door a drop came through."""

    SFTP = "sftp"
    S3 = "s3"
    FOLDER = "folder"
    HTTP = "http"


class Action(StrEnum):
    """What an import does with the records of its file."""

    MERGE = "merge"
    OVERWRITE = "overwrite"
    DELETE = "delete"
    CREATE = "create"
    UPDATE = "update"


#: An `overwrite` that would remove a larger share of its source's records waits for a decision, unless told otherwise.
REMOVAL_GUARD_PERCENT = 50


class DuplicateHandling(StrEnum):
    """Which of several rows with one key in one file is kept."""

    IGNORE_ALL = "ignore_all"
    USE_FIRST = "use_first"
    USE_LAST = "use_last"


class RepeatHandling(StrEnum):
    """What becomes of a drop that repeats an earlier one, by its bytes or by its name."""

    IMPORT = "import"
    SKIP = "skip"
    HOLD = "hold"


class HoldHandling(StrEnum):
    """What a held import does to those that land behind it."""

    BLOCK = "block"
    SUPERSEDE = "supersede"


class CompleteOn(StrEnum):
    """How a file in an inbox folder shows that its writer is done with it."""

    #: Nobody has it open for writing any more.
    CLOSE = "close"
    #: It was moved to its name.
    RENAME = "rename"
    #: Its size and times have not changed for a while.
    STABLE = "stable"
    #: A done-marker lies beside it: `customers.csv.done`.
    MARKER = "marker"


class Status(StrEnum):
    """Where an import stands. `TRANSITIONS` says which way it can go from there."""

    REQUESTED = "requested"
    QUEUED = "queued"
    PROCESSING = "processing"
    NEEDS_ATTENTION = "needs_attention"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Nothing more happens to the import unless somebody retries it."""
        return self in _ENDED


_ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.TIMED_OUT, Status.EXPIRED, Status.CANCELED})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.REQUESTED: frozenset({Status.QUEUED, Status.EXPIRED, Status.CANCELED}),
    Status.QUEUED: frozenset({Status.PROCESSING, Status.NEEDS_ATTENTION, Status.CANCELED}),
    # Back to queued: the attempt died (lost lease, transient error), not the import.
    Status.PROCESSING: frozenset(
        {
            Status.COMPLETED,
            Status.FAILED,
            Status.TIMED_OUT,
            Status.NEEDS_ATTENTION,
            Status.CANCELED,
            Status.QUEUED,
        }
    ),
    Status.NEEDS_ATTENTION: frozenset({Status.QUEUED, Status.CANCELED}),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.TIMED_OUT: frozenset({Status.QUEUED}),
    Status.COMPLETED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.CANCELED: frozenset(),
}


class AfterImport(StrEnum):
    """What becomes of an object in a bucket when the import of what was landed from it has ended."""

    KEEP = "keep"
    TAG = "tag"
    MOVE = "move"
    DELETE = "delete"


class Outcome(StrEnum):
    """What a completed import did with its rows."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
