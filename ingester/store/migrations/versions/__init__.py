"""Schema revisions, numbered within their branch."""
