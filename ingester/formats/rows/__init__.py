"""Whole rows found in bytes: where they begin and end, in pieces of a bounded size. No values, no file formats."""
