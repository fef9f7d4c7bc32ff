"""Mail to people: plain text through the operator's own server, whose headers nobody else can add to."""

from __future__ import annotations

import re
import smtplib
import ssl
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from ingester.domain.errors import PermanentError, TransientError, UsageError
from ingester.settings import SmtpSettings

_SCHEME = "mailto:"
_MOST_RECIPIENTS = 20
_LONGEST_SUBJECT = 180
#: Of one address: what every server takes without quoting.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


def recipients(address: str) -> tuple[str, ...]:
    """The addresses of `mailto:a@example.com,b@example.com`; UsageError for anything else."""
    found = tuple(part.strip() for part in address.removeprefix(_SCHEME).split(","))
    if wrong := [each for each in found if not _ADDRESS.fullmatch(each)]:
        raise UsageError(f"'{wrong[0][:100]}' is not an e-mail address", fix="Write mailto:name@example.com.")
    if len(found) > _MOST_RECIPIENTS:
        raise UsageError(f"one target has {_MOST_RECIPIENTS} addresses at most")
    return found


def compose(to: tuple[str, ...], sender: str, message_id: str, at: datetime, title: str, text: str) -> EmailMessage:
    """One message. What cannot stand in a header's line is a blank."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = Address(display_name="ingester", addr_spec=sender)
    except (ValueError, IndexError) as error:
        raise TransientError(f"smtp.sender '{sender}' is not an e-mail address: {error}") from None
    message["To"] = tuple(Address(addr_spec=each) for each in to)
    # An encoded word in a file's name would be decoded here, line ends and all, and begin a header of its own.
    printable = "".join(c if c.isprintable() else " " for c in title)[:_LONGEST_SUBJECT]
    message["Subject"] = printable.replace("=?", "= ?")
    message["Date"] = format_datetime(at)
    # The same at every attempt, so that a mailbox can tell a repetition.
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable")
    return message


def send(
    to: tuple[str, ...],
    message_id: str,
    at: datetime,
    title: str,
    text: str,
    settings: SmtpSettings,
    ca_file: Path | None = None,
) -> None:
    """Hand a message to the server. PermanentError if it refuses it for good, TransientError if not."""
    if not settings.host or not settings.sender:
        raise TransientError("there is no mail server", fix="Set smtp.host and smtp.sender.")
    message = compose(to, settings.sender, message_id, at, title, text)
    context = ssl.create_default_context()
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        with _connected(settings, context) as server:
            if settings.security == "starttls":
                server.starttls(context=context)
            if password := _password(settings):
                server.login(settings.username, password)
            # Once one recipient has it, it is sent: the others would get it again and again.
            server.send_message(message, from_addr=settings.sender, to_addrs=to)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _failed("it refuses every recipient", min(codes)) from None
    except smtplib.SMTPResponseException as error:
        raise _failed(type(error).__name__, error.smtp_code) from None
    except (smtplib.SMTPException, OSError) as error:
        raise TransientError(f"the mail server {settings.host} cannot be used: {error}") from None


def _connected(settings: SmtpSettings, context: ssl.SSLContext) -> smtplib.SMTP:
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout_seconds, context=context)
    return smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)


def _password(settings: SmtpSettings) -> str:
    if settings.password_file is not None:
        try:
            return settings.password_file.read_text().strip()
        except OSError as error:
            raise TransientError(f"smtp.password_file cannot be read: {error.strerror}") from None
    return settings.password.get_secret_value() if settings.password is not None else ""


def _failed(what: str, code: int) -> TransientError | PermanentError:
    """Its words are left out: they may quote the message."""
    said = f"the mail server answered {code}: {what}"
    # A wrong password (535) is soon put right, and the message should not be lost for it.
    return PermanentError(said) if 550 <= code <= 559 else TransientError(said)
