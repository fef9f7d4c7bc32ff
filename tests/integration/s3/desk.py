"""One engine and the bucket that it watches: objects go in, workers run, answers come back when the test says so."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import update

from ingester.domain.status import AfterImport, Status
from ingester.settings import S3Settings
from ingester.store.database import now
from ingester.store.ledger_tables import Drop, S3Inbox, S3Object
from ingester.store.s3_inbox import S3Inboxes
from ingester.watch.s3.client import Clients
from ingester.watch.s3.watch import S3Watch
from tests.integration.engine.harness import Engine
from tests.proxy import Proxy
from tests.s3 import KEY_VARIABLE, SECRET_VARIABLE, Bucket

ITEMS = "external_id,label,stock\nA,Alpha,1\nB,Beta,2\n"


class Desk:
    """Nothing happens by itself: `bring`, `work` and `answer` are what threads and workers would do."""

    def __init__(self, root: Path, bucket: Bucket, proxy: Proxy, clients: Clients) -> None:
        self.clients = clients
        self.engine = Engine(root)
        self.bucket = bucket
        self.proxy = proxy
        self.inboxes = S3Inboxes(self.engine.ledger)
        self.watch = self.new_watch()

    def new_watch(self, **more: Any) -> S3Watch:
        """A watch that knows nothing but the ledger, as after a restart."""
        engine = self.engine
        settings = S3Settings(look_seconds=0.05, **{key: more.pop(key) for key in ("max_object_bytes",) if key in more})
        more = {"event_wait_seconds": 0, "clients": self.clients, **more}
        self.watch = S3Watch(engine.ledger, engine.intake, engine.router, engine.directory, settings, **more)
        return self.watch

    def inbox(
        self, name: str = "main", *, prefix: str = "in/", tenant: str = "acme", after: str = "keep", **words: Any
    ) -> S3Inbox:
        """Add an inbox on the bucket, reached through the proxy."""
        self.inboxes.add(
            S3Inbox(
                tenant=tenant,
                name=name,
                **{"bucket": self.bucket.name, "endpoint_url": self.proxy.url, **words},
                prefix=prefix,
                after=AfterImport(after),
                addressing="path",
                access_key_variable=KEY_VARIABLE,
                secret_key_variable=SECRET_VARIABLE,
                created_at=now(),
            )
        )
        return self.inboxes.get(tenant, name)

    def bring(self, inbox: S3Inbox) -> None:
        """One whole pass."""
        while self.watch.bring(inbox):
            pass

    def answer(self, inbox: S3Inbox) -> None:
        self.watch.answer(inbox)

    def all(self, inbox: S3Inbox) -> None:
        """Bring, import and answer."""
        self.bring(inbox)
        self.engine.work()
        self.answer(inbox)

    def landed(self) -> list[tuple[str, str]]:
        """Folder and name of every drop, oldest first."""
        return [(drop.folder, drop.name) for _, drop in reversed(self.engine.ledger.imports(limit=10_000))]

    def drops(self) -> list[Drop]:
        return [drop for _, drop in reversed(self.engine.ledger.imports(limit=10_000))]

    def content(self, drop: Drop) -> bytes:
        return self.engine.directory.drop_file(drop.id, drop.location).read_bytes()

    def statuses(self) -> list[Status]:
        return [job.status for job, _ in reversed(self.engine.ledger.imports(limit=10_000))]

    def make_due(self) -> None:
        """Let the time of every delayed retry come."""
        with self.engine.ledger.writing() as session:
            session.exec(update(S3Object).values(due_at=now()))

    def open_objects(self) -> list[S3Object]:
        """What is not settled, or not told."""
        rows = self.engine.ledger.engine
        with rows.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT key FROM s3_objects WHERE settled_at IS NULL OR reported_at IS NULL ORDER BY key"
            )
            return list(found.scalars())

    def restart(self) -> None:
        """What is left when everything died, and starts again."""
        self.watch.stop()
        self.engine.intake.stop()
        self.engine.crash()
        self.engine.restart_intake()
        self.new_watch()

    def close(self) -> None:
        self.watch.stop()
        self.engine.close()
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("s3-")]
