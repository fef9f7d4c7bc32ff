"""Our own failures, as exceptions with structured fields. Never about the customer's data: that is a `Notice`.

Only the pipeline and the command line decide what an error means (retry, fail, quarantine, exit code);
a customer sees a reference to it, never its text.
"""

from __future__ import annotations


class IngesterError(Exception):
    """Something of ours, or of the operator's, went wrong.

    `message` names the thing, `fix` says how to mend it; both are one line and fit for an operator's terminal.
    """

    def __init__(self, message: str = "", *, fix: str = "", **fields: object) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.fix = fix
        self.fields = fields
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message


class TransientError(IngesterError):
    """It may work when tried again: a busy database, a full disk, a lost connection."""


class PermanentError(IngesterError):
    """Trying again cannot help until somebody changes something."""


class InvariantError(PermanentError):
    """What must add up does not; nothing was committed."""


class UsageError(PermanentError):
    """The operator asked for something that does not exist or is not allowed."""


class ConfigurationError(PermanentError):
    """A setting, a path or a rule file keeps the service from working."""


class UnreadableFile(PermanentError):
    """The drop as a whole cannot be read; it is quarantined. `code` is a notice code, `reason` is for the customer."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Held(IngesterError):
    """An import stops for a decision before anything is written. `reason` is a notice code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
