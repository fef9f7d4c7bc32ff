"""From bytes to batches of text cells: detect, cut at row boundaries, read. Knows files, not rules."""
