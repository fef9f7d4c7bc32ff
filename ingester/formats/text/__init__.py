"""Delimited text: what it is told to be from a sample, rewritten where need be, and its blocks read by Arrow."""
