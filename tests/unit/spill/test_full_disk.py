"""What cannot be written is not passed over: a spill that is cut short would be read back as fewer findings."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from ingester.spill.notices import Kind, Notices
from ingester.spill.references import Resolved
from ingester.spill.rows import Rows

#: Less than a buffer, and more: numpy's own writer is silent about the one and gives the other no number.
SIZES = pytest.mark.parametrize("size", [10, 100_000])


@SIZES
def test_notices_that_do_not_fit_are_an_error_that_may_pass(tmp_path: Path, size: int) -> None:
    (tmp_path / "phase.notices").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as failed:
        Notices(tmp_path).add("phase", [(Kind("invalid_type", ("a",), "no"), np.arange(1, size))])
    assert failed.value.errno == errno.ENOSPC


@SIZES
def test_ids_that_do_not_fit_are_an_error_that_may_pass(tmp_path: Path, size: int) -> None:
    (tmp_path / "parent_id.ids").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as failed:
        Resolved(Rows(tmp_path / "rows.arrow", ()), tmp_path).add("parent_id", [np.arange(size)])
    assert failed.value.errno == errno.ENOSPC
