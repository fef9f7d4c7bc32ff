"""How much a file may be, so that none takes the machine from the others. Over a limit it is quarantined."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_MIB = 2**20


class Limits(BaseModel):
    """The limits of reading, all of them held while a file streams by."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: Of the file as it was sent, in bytes.
    file_bytes: int = Field(default=10 * 2**30, gt=0)
    #: Of what comes out of a container, in bytes.
    unpacked_bytes: int = Field(default=20 * 2**30, gt=0)
    #: How many times as large as its container; small ones may be more.
    ratio: int = Field(default=200, gt=0)
    #: Below so many bytes no ratio is asked for.
    ratio_bytes: int = Field(default=64 * _MIB, ge=0)
    #: Files in an archive.
    members: int = Field(default=1000, gt=0)
    #: Containers in containers, as a gzip file that is encrypted.
    nesting: int = Field(default=4, gt=0)
    rows: int = Field(default=100_000_000, gt=0)
    columns: int = Field(default=4096, gt=0, le=16_384)
    #: Of one cell, in bytes.
    cell_bytes: int = Field(default=8 * _MIB, gt=0)
    #: How deep JSON and XML may be.
    depth: int = Field(default=64, gt=0, le=500)
    #: Cells of a sheet, empty ones between them counted.
    sheet_cells: int = Field(default=50_000_000, gt=0)
    #: Memory for reading a workbook, in bytes.
    sheet_memory: int = Field(default=2**31, gt=0)


DEFAULT_LIMITS = Limits()
