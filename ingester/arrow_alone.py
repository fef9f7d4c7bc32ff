"""Arrow without pandas, until somebody asks for a frame.

The first `pa.array` of a process imports pandas to recognise its types: a second of start-up and 40 MB in every
worker, for processes that never see a frame. Importing this module before any array is made lets Arrow find out that
there is no pandas; a later `to_pandas` asks again and gets it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname == "pandas":
            raise ImportError(fullname)
        return None


if "pandas" not in sys.modules:
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
