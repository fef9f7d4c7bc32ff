"""Where in the inbox an object would lie: the folder that its key and its S3 inbox name, and a name people can read."""

from __future__ import annotations

from ingester.outbox.name import listable
from ingester.routing import VALIDATE, Router
from ingester.store.ledger_tables import S3Inbox, Tenant


def place(router: Router, tenant: Tenant, inbox: S3Inbox, key: str) -> tuple[str, str]:
    """(folder, name). A path below the prefix counts as far as it is one of the inbox's folders; dates are passed over.

    The inbox's own folder wins over the path, but `validate/` in either makes it a dry run.
    """
    *path, name = key.removeprefix(inbox.prefix).split("/")
    own_dry, own = _parts(inbox.folder)
    dry, entity = _parts(router.known_folder(tenant, path))
    said = [VALIDATE] if own_dry or dry else []
    said += [word for word in (own or entity,) if word]
    return "/".join(said), listable(name)


def _parts(folder: str) -> tuple[bool, str]:
    """Whether a folder is for dry runs, and the type it names."""
    first, _, rest = folder.partition("/")
    return (True, rest) if first == VALIDATE else (False, folder)
