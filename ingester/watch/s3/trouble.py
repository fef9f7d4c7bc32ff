"""What a server or the way to it answered, sorted: gone, replaced, refused, and words for an operator's log."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from ingester.domain.errors import IngesterError

#: What a step that talks to S3 may meet, and what trying later may cure.
S3_ERRORS = (BotoCoreError, ClientError)

_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound", "MethodNotAllowed"})
_REPLACED = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
_UNKNOWN = frozenset({"501", "NotImplemented"})


def is_gone(error: Exception) -> bool:
    """There is no such object, or what is there is the mark of its deletion."""
    return _code(error) in _GONE


def is_replaced(error: Exception) -> bool:
    """Another object has the key by now."""
    return _code(error) in _REPLACED


def is_unknown_to_server(error: Exception) -> bool:
    """The server does not know this kind of request."""
    return _code(error) in _UNKNOWN


def words(error: BaseException) -> str:
    """One line for an operator; neither botocore nor we put a secret into a message."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return f"{error.operation_name}: {said.get('Code', '?')}: {said.get('Message', '')}".strip(": ")
    if isinstance(error, IngesterError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
