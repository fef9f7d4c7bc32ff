"""File-based data exchange."""
