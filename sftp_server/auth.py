"""Who may log in: an account's keys, and how often a client may try. Passwords would be checked here too."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from asyncssh import DISC_PROTOCOL_ERROR, KeyImportError, SSHKey, SSHServerConnection, import_public_key

from .event import log
from .owner import Account, Owner

_MOST_FINGERPRINTS = 20


class Login:
    """One client's attempts to log in, over one connection."""

    def __init__(self, owner: Owner, connection: SSHServerConnection, tries: int) -> None:
        self._owner = owner
        self._keys: tuple[bytes, ...] = ()
        self._asked = False
        self._offered = False
        #: The name the client last claimed.
        self.name: str | None = None
        self.account: Account | None = None
        #: The fingerprint of the key that was accepted, and of those that were refused.
        self.key: str | None = None
        self.refused_keys: list[str] = []
        self.tries = 0
        _count_failures(connection, self._failed, tries)

    async def begin(self, name: str) -> None:
        """Look up the account; an unknown one has no keys and otherwise behaves the same."""
        self.name = name
        self.account = None
        self._keys = ()
        try:
            self.account = await self._owner.account(name)
        except Exception:  # noqa: BLE001 - whatever the owner raises, the client learns nothing from it
            log.exception("Looking up an account failed")
        if self.account is not None:
            self._keys = _public_data(self.account)

    def accepts(self, key: SSHKey) -> bool:
        """Whether the claimed account may log in with a key; the signature is asyncssh's to check."""
        self._offered = True
        offered = key.public_data
        # All are compared, so that the answer takes the same time whichever matches.
        accepted = sum(hmac.compare_digest(offered, known) for known in self._keys) > 0
        if accepted:
            self.key = key.get_fingerprint()
        elif len(self.refused_keys) < _MOST_FINGERPRINTS:
            self.refused_keys.append(key.get_fingerprint())
        return accepted

    def _failed(self) -> int:
        # Clients begin with the method `none`, which asks for the list of methods; that is no try.
        if self._offered or self._asked:
            self.tries += 1
        self._asked = True
        return self.tries


def _count_failures(connection: SSHServerConnection, failed: Callable[[], int], most: int) -> None:
    """Cut a connection off at its `most`-th refusal, whatever method it tried.

    asyncssh has no limit and no hook that sees every failure, but one method that announces each to the client.
    """
    announce = connection.send_userauth_failure

    def send_userauth_failure(partial_success: bool) -> None:
        announce(partial_success)
        if failed() >= most:
            connection.disconnect(DISC_PROTOCOL_ERROR, "Too many authentication failures")

    connection.send_userauth_failure = send_userauth_failure  # type: ignore[method-assign] # see the docstring


def _public_data(account: Account) -> tuple[bytes, ...]:
    keys = []
    for line in account.keys:
        try:
            keys.append(import_public_key(line).public_data)
        except KeyImportError as error:
            log.error("Account %s has a key that cannot be read: %s", account.name, error)
    return tuple(keys)
