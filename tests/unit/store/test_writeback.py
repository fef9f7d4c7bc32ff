"""Easing a long transaction's write-back must not disturb what SQLite itself does with its files."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from ingester.store.database import connect, reading, sqlite_url
from ingester.store.writeback import eased
from tests.stored import select

_LOOK = "import sys; from ingester.store.database import connect; connect(sys.argv[1]).connect().close()"


def test_somebody_who_only_looks_does_not_take_the_log_of_a_database_away(tmp_path: Path) -> None:
    """What was committed was gone with the log, when easing had given up the locks of the process."""
    path = tmp_path / "data.db"
    engine = connect(sqlite_url(path))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    with reading(engine).connect() as held:
        held.exec_driver_sql("SELECT * FROM t").all()
        with eased(path):
            time.sleep(0.1)
        subprocess.run([sys.executable, "-c", _LOOK, sqlite_url(path)], check=True)
        assert Path(f"{path}-wal").exists()
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        subprocess.run([sys.executable, "-c", _LOOK, sqlite_url(path)], check=True)
        other = connect(sqlite_url(path))
        assert select(other, "SELECT x FROM t") == [{"x": 1}]
        other.dispose()
    engine.dispose()
