"""Mail through a real SMTP server."""

from __future__ import annotations

import email
import email.policy
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr, ValidationError

from ingester.domain.errors import PermanentError, TransientError, UsageError
from ingester.notify import mail
from ingester.settings import SmtpSettings

AT = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


class Mailbox:
    """What a server was sent, and what it answers."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.answer = "250 OK"
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name for it
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 -- aiosmtpd's name for it
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        if self.answer.startswith("250"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return self.answer


Serve = Callable[..., SmtpSettings]


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def serve(mailbox: Mailbox) -> Iterator[Serve]:
    """Start the server; `serve(security="none")` returns the settings that reach it."""
    running: list[Controller] = []

    def start(security: str = "none", certificate: Path | None = None, **options: Any) -> SmtpSettings:
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        tls = {"ssl_context" if security == "tls" else "tls_context": context} if context else {}
        controller = Controller(mailbox, hostname="127.0.0.1", port=0, **tls, **options)
        # Its own start() asks itself by the port that it was given, which is 0.
        controller.port = _free_port()
        controller.start()
        running.append(controller)
        return SmtpSettings(
            host="localhost", port=controller.port, security=security, sender="ingester@example.com", timeout_seconds=5
        )

    yield start
    for controller in running:
        controller.stop()


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def send(
    settings: SmtpSettings, title: str = "acme: crm.csv failed", to: str = "mailto:ops@example.com", **more: Any
) -> None:
    mail.send(mail.recipients(to), "msg_1", AT, title, "crm.csv could not be imported.\nGrüße\n", settings, **more)


def test_a_message_arrives_as_it_was_written(serve: Serve, mailbox: Mailbox) -> None:
    send(serve(), to="mailto:ops@example.com,boss@example.com")
    (message,) = mailbox.messages
    assert message["Subject"] == "acme: crm.csv failed"
    assert message["From"] == "ingester <ingester@example.com>"
    assert message["To"] == "ops@example.com, boss@example.com"
    assert message["Message-ID"] == "<msg_1@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert email.utils.parsedate_to_datetime(message["Date"]) == AT
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines() == ["crm.csv could not be imported.", "Grüße"]
    assert mailbox.envelopes == [("ingester@example.com", ["ops@example.com", "boss@example.com"])]


@pytest.mark.parametrize(
    "name",
    [
        "x\r\nBcc: victim@example.com",
        "x\nSubject: other",
        "x\rFrom: ceo@example.com",
        "x\x00y\x1b[31m",
        "x\u2028Bcc: victim@example.com",
        "ü" * 300,
        "=?utf-8?q?=0ABcc:_victim@example.com?=",
        "=?=?utf-8?b?CkJjYzogdmljdGltQGV4YW1wbGUuY29t?=",
        "x" * 170 + "=?utf-8?q?=0ABcc:_v@example.com?=",
        "a" * 5000,
    ],
)
def test_nothing_that_a_name_holds_becomes_a_header(serve: Serve, mailbox: Mailbox, name: str) -> None:
    send(serve(), title=f"acme: {name} failed")
    (message,) = mailbox.messages
    assert sorted(message.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "MIME-Version",
         "Content-Transfer-Encoding"]
    )  # fmt: skip
    assert mailbox.envelopes[0][1] == ["ops@example.com"]
    assert str(message["Subject"]).startswith("acme: ")
    assert message["To"] == "ops@example.com"


@pytest.mark.parametrize(
    "to",
    [
        "mailto:",
        "mailto:ops",
        "mailto:ops@example.com?bcc=victim@example.com",
        "mailto:ops@example.com\r\nBcc: v@example.com",
        "mailto:<ops@example.com>",
        "mailto:Ops <ops@example.com>",
        "mailto:a@b@c",
        "mailto:" + ",".join(["a@example.com"] * 21),
    ],
)
def test_only_plain_addresses_are_taken(to: str) -> None:
    with pytest.raises(UsageError):
        mail.recipients(to)


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")  # it does not see the TLS it is behind
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_password_goes_over_tls(
    serve: Serve, mailbox: Mailbox, tmp_path: Path, localhost_certificate: Path, security: str
) -> None:
    seen: list[LoginPassword] = []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        seen.append(data)
        return AuthResult(success=data.password == b"s3cret", handled=False)

    settings = serve(
        security, localhost_certificate, authenticator=authenticate, auth_required=True,
        auth_require_tls=security == "starttls",
    )  # fmt: skip
    for given in ({"password": SecretStr("s3cret")}, {"password_file": tmp_path / "password"}):
        (tmp_path / "password").write_text("s3cret\n")
        signed_in = settings.model_copy(update={"username": "ops", **given})
        send(signed_in, ca_file=localhost_certificate)
    assert len(mailbox.messages) == 2
    wrong = settings.model_copy(update={"username": "ops", "password": SecretStr("wr0ng")})
    with pytest.raises(TransientError) as caught:
        send(wrong, ca_file=localhost_certificate)
    assert "535" in str(caught.value)
    assert "wr0ng" not in str(caught.value) + repr(wrong)
    assert {login.login for login in seen} == {b"ops"}


def test_a_server_without_tls_is_told_nothing_where_tls_is_asked_for(serve: Serve, mailbox: Mailbox) -> None:
    settings = serve("none").model_copy(update={"security": "starttls"})
    with pytest.raises(TransientError, match="STARTTLS"):
        send(settings)
    assert mailbox.messages == []


def test_a_server_that_nobody_vouches_for_is_told_nothing(
    serve: Serve, mailbox: Mailbox, localhost_certificate: Path
) -> None:
    settings = serve("starttls", localhost_certificate)
    with pytest.raises(TransientError, match="certificate"):
        send(settings)
    assert mailbox.messages == []


def test_a_password_is_never_sent_in_the_clear() -> None:
    with pytest.raises(ValidationError, match="starttls or tls only"):
        SmtpSettings(host="localhost", security="none", username="ops", password=SecretStr("s3cret"))


def test_what_is_refused_for_good_is_not_tried_again_and_what_is_not_is(serve: Serve, mailbox: Mailbox) -> None:
    settings = serve()
    for refusal, error in (("550 no such user", PermanentError), ("450 try later", TransientError)):
        mailbox.refuse = {"ops@example.com": refusal}
        with pytest.raises(error, match=refusal[:3]):
            send(settings)
    mailbox.refuse = {}
    for answer, error in (("554 spam: crm.csv", PermanentError), ("451 busy", TransientError)):
        mailbox.answer = answer
        with pytest.raises(error, match=answer[:3]) as caught:
            send(settings)
        assert "crm.csv" not in str(caught.value)


def test_one_recipient_that_is_refused_does_not_keep_it_from_the_others(serve: Serve, mailbox: Mailbox) -> None:
    settings = serve()
    mailbox.refuse = {"gone@example.com": "550 no such user"}
    send(settings, to="mailto:gone@example.com,ops@example.com")
    assert mailbox.envelopes[0][1] == ["ops@example.com"]


def test_without_a_server_it_waits_for_one() -> None:
    with pytest.raises(TransientError, match="there is no mail server"):
        send(SmtpSettings())
    with pytest.raises(TransientError, match="cannot be used"):
        send(SmtpSettings(host="localhost", port=_free_port(), security="none", sender="ingester@example.com"))
