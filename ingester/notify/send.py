"""One message to one target: by mail, as a webhook, or through Apprise, as its address says.

What each way needs is loaded when it is taken: a service that tells nobody anything stays small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ingester.domain.errors import TransientError
from ingester.notify import fact, message, secret
from ingester.notify.guard import Guard
from ingester.settings import NotifySettings, SmtpSettings
from ingester.store.ledger_tables import Notification, NotifyTarget

SCHEMA = "ingester.notification/1"


class Sender:
    """Sends by the operator's settings; `folder` is where keys are that were made for targets."""

    def __init__(self, notify: NotifySettings, smtp: SmtpSettings, folder: Path, guard: Guard | None = None) -> None:
        self._notify = notify
        self._smtp = smtp
        self._folder = folder
        self._guard = guard or Guard(notify.allow_networks)

    def send(self, target: NotifyTarget, notification: Notification, at: datetime) -> None:
        """Deliver now. TransientError if it may work later, PermanentError if not; Gone if the target wants no more."""
        address = target.address
        if secret.is_reference(address):
            address = secret.read(address, self._folder)
        if _is_webhook(address):
            self._webhook(address, target, notification, at)
            return
        title, text = message.write(notification.content, target.audience)
        if address.startswith("mailto:") and not address.startswith("mailto://"):
            from ingester.notify import mail

            to = mail.recipients(address)
            mail.send(to, notification.id, notification.created_at, title, text, self._smtp, self._notify.ca_file)
            return
        from ingester.notify import chat

        chat.send(address, title, text, self._guard)

    def check(self, address: str) -> bool:
        """Whether an address is a webhook's, as far as can be told; UsageError if nothing could ever be sent to it."""
        if secret.is_reference(address):
            try:
                address = secret.read(address, self._folder)
            except TransientError:
                return False  # the service may see what this command does not
        if _is_webhook(address):
            from ingester.notify import webhook

            host = webhook.check(address, allow_http=self._notify.allow_http).hostname or ""
            if host.replace(".", "").isdecimal() or ":" in host:
                self._guard.addresses(host, 443)
            return True
        if address.startswith("mailto:") and not address.startswith("mailto://"):
            from ingester.notify import mail

            mail.recipients(address)
            return False
        from ingester.notify import chat

        chat.check(address)
        return False

    def _webhook(self, url: str, target: NotifyTarget, notification: Notification, at: datetime) -> None:
        from ingester.notify.webhook import Webhooks

        keys = [secret.key(secret.read(reference, self._folder)) for reference in target.secrets]
        if not keys:
            raise TransientError("there is no key to sign the webhook with", fix="Add it again with --secret-env.")
        webhooks = Webhooks(self._guard, allow_http=self._notify.allow_http, ca_file=self._notify.ca_file)
        webhooks.post(url, notification.id, at, body(notification), keys)


def body(notification: Notification) -> bytes:
    """What a webhook is sent: `{schema, id, type, timestamp, data}`, where `data` is the facts."""
    document = {
        "schema": SCHEMA,
        "id": notification.id,
        "type": _type(notification.content),
        "timestamp": fact.moment(notification.created_at),
        "data": notification.content,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _type(content: Mapping[str, Any]) -> str:
    if "short_id" in content:
        return f"import.{content['event']}"
    return f"alert.{content['event']}.{content['state']}" if "alert" in content else str(content["event"])


def _is_webhook(address: str) -> bool:
    return address.startswith(("https://", "http://"))
