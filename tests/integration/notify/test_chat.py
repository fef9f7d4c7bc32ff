"""Apprise in its own process, against a real server: it reaches what it may, and nothing of this machine."""

from __future__ import annotations

import json
import sys

import pytest

from ingester.domain.errors import TransientError, UsageError
from ingester.notify import chat
from ingester.notify.guard import Guard
from tests.integration.notify.conftest import HOME
from tests.receiver import Answer, Receiver


def test_a_message_goes_through_apprise(receiver: Receiver) -> None:
    chat.send(f"json://127.0.0.1:{receiver.port}/path", "[ingester] acme", "Grüße\n", Guard(HOME))
    (request,) = receiver.requests
    body = json.loads(request.body)
    assert (body["title"], body["message"]) == ("[ingester] acme", "Grüße")
    assert "apprise" not in sys.modules, "it loads in a process of its own"


def test_what_the_service_refuses_is_tried_again(receiver: Receiver) -> None:
    receiver.answers = [Answer(500)] * 5
    with pytest.raises(TransientError, match="the service did not take it"):
        chat.send(f"json://127.0.0.1:{receiver.port}/t0ken", "title", "text", Guard(HOME))


@pytest.mark.parametrize("url", ["xml://localhost:{port}/", "rsyslog://127.0.0.1:{port}/"])
def test_this_machine_is_out_of_its_reach(receiver: Receiver, url: str) -> None:
    with pytest.raises(TransientError, match=r"refused: .* is not a public address"):
        chat.send(url.format(port=receiver.port), "title", "text", Guard())
    assert receiver.requests == []


def test_a_redirect_does_not_lead_it_astray(receiver: Receiver) -> None:
    receiver.answers = [Answer(307, {"Location": "http://[::1]:1/"})] * 3
    with pytest.raises(TransientError, match=r"refused: ::1 is not|did not take it"):
        chat.send(f"json://127.0.0.1:{receiver.port}/", "title", "text", Guard(HOME))


@pytest.mark.parametrize("scheme", sorted(chat.LOCAL))
def test_what_acts_on_this_machine_is_no_target(scheme: str) -> None:
    with pytest.raises(UsageError):
        chat.check(f"{scheme}://localhost/x")
    with pytest.raises(UsageError):
        chat.send(f"{scheme.upper()}://localhost/x", "title", "text", Guard(HOME))


def test_a_url_that_apprise_does_not_know_is_refused_without_being_quoted() -> None:
    for url in ("nonsense://t0ken/", "slack:t0ken"):
        with pytest.raises(UsageError) as caught:
            chat.check(url)
        assert "t0ken" not in str(caught.value)
    chat.check("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general")
