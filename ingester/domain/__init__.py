"""Plain values and errors: what the rest of the package talks about. No I/O, no third-party imports."""
