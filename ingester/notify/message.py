"""What people read: a title and a plain text from the facts of a notification, for an operator or for the customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ingester.domain.alert import AlertKind
from ingester.notify.event import Event

DIGEST = "digest"
TEST = "test"

_HAPPENED = {
    Event.FAILED: "could not be imported",
    Event.HELD: "waits for a decision",
    Event.REJECTED: "was refused: no row of it could be imported",
    Event.PARTIAL: "was imported, but not every row of it",
    Event.COMPLETED: "was imported",
}
_TO_DO_ABOUT = {
    AlertKind.LATE: "Find out what keeps it, and send it; it is imported whenever it comes.",
    AlertKind.MISSING: "Find out why it was never sent; if it is still wanted, send it.",
    AlertKind.EMPTY: "Find out why it has no rows, and send the whole file.",
    AlertKind.SHRUNKEN: "Find out whether rows are missing; if so, send the whole file.",
    AlertKind.STALE_UPLOAD: "Finish the upload and rename it, or remove it.",
    AlertKind.ORPHAN_MARKER: "Send the file that it marks, or remove the marker.",
}
_COUNTS = (
    *(("total_rows", "read"), ("valid_rows", "valid"), ("error_rows", "refused"), ("duplicate_rows", "duplicate")),
    *(("created_count", "created"), ("updated_count", "updated"), ("skipped_count", "unchanged")),
    *(("deleted_count", "deleted"), ("removed_count", "removed")),
)
#: Of a name that a customer chose, in a title.
_LONGEST_NAME = 80


def write(content: Mapping[str, Any], audience: str) -> tuple[str, str]:
    """Title and text. Lines end with a newline; nothing in them but what the facts say."""
    event = content["event"]
    if event == DIGEST:
        title, lines = _digest(content)
    elif event == TEST:
        title, lines = f"test for {content['tenant']}", ["This is a test: notifications arrive here."]
    elif "short_id" in content:
        title, lines = _import(content, audience)
    else:
        title, lines = _alert(content, audience)
    return f"[ingester] {title}", "\n".join([*lines, ""])


def _import(content: Mapping[str, Any], audience: str) -> tuple[str, list[str]]:
    file, event = content["file"]["name"], Event(content["event"])
    reason = f" ({content['reason']})" if content["reason"] else ""
    lines = [f"{file} {_HAPPENED[event]}."]
    if content["message"]:
        lines += ["", f"What happened: {content['message']}."]
    if to_do := _to_do(content, event, audience):
        lines += [f"What to do:    {to_do}"]
    lines += ["", *_facts(content)]
    if audience == "operator":
        lines += ["", f"More: ingester imports show {content['import_id']}"]
    return f"{content['tenant']}: {_short(file)} {event}{reason}", lines


def _to_do(content: Mapping[str, Any], event: Event, audience: str) -> str:
    if event is Event.HELD and audience == "operator":
        return f"ingester imports approve {content['short_id']}, or ingester imports reject {content['short_id']}."
    if event in (Event.REJECTED, Event.PARTIAL):
        name = f"{content['file']['name']}.{content['short_id']}"
        return f"See {name}.errors.csv in the outbox; correct the rows of {name}.rejects.csv and send them again."
    return content["hint"] or ""


def _facts(content: Mapping[str, Any]) -> Iterator[str]:
    yield f"file:   {content['file']['name']}, {content['file']['size']:,} bytes, by {content['file']['origin']}"
    yield f"import: {content['short_id']}"
    yield f"type:   {content['entity_type'] or 'unknown'}"
    if content["feed"]:
        yield f"feed:   {content['feed']}"
    if content["stats"]:
        counts = [f"{content['stats'][key]:,} {word}" for key, word in _COUNTS if content["stats"].get(key)]
        yield f"rows:   {', '.join(counts) or 'none'}"
    yield f"time:   {content['completed_at'] or content['created_at']}"


def _alert(content: Mapping[str, Any], audience: str) -> tuple[str, list[str]]:
    kind, over = AlertKind(content["event"]), content["state"] == "resolved"
    about = content["feed"] or "inbox"
    title = f"{content['tenant']}: {_short(about)} {kind.value.replace('_', ' ')}{', resolved' if over else ''}"
    lines = [f"{content['message']}."]
    if over:
        lines += ["", f"That is over since {content['resolved_at']}, by {content['resolved_by']}."]
    else:
        lines += [f"What to do: {_TO_DO_ABOUT[kind]}"]
    lines += ["", f"since:  {content['raised_at']}"]
    if audience == "operator":
        lines += ["", f"More: ingester alerts show {content['alert']}"]
    return title, lines


def _digest(content: Mapping[str, Any]) -> tuple[str, list[str]]:
    total = content["total"]
    lines = [f"{total} events came at once; this message stands for all of them.", ""]
    lines += [f"{count:>6}  {event}" for event, count in content["counts"].items()]
    lines += ["", "The first of them:"]
    lines += [f"  {each['tenant']}: {_short(each['about'])} {each['event']}" for each in content["first"]]
    if total > len(content["first"]):
        lines += [f"  and {total - len(content['first'])} more: see `ingester imports list` and `ingester alerts list`"]
    return f"{total} events", lines


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
