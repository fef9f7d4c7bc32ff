"""The command line: one module for each group of commands; none has logic of its own.

Heavy parts load when a command needs them, so that `--help` and the small commands are quick.
"""

from __future__ import annotations

import os
import sys
import traceback

from ingester.domain.errors import ConfigurationError, IngesterError, UsageError


def main() -> None:
    """Run one command. What went wrong is one line on standard error; exit code 1 if the user can mend it, else 3."""
    from ingester.cli.app import app

    # What customers send is nobody else's to read, whatever the user's own habits.
    os.umask(os.umask(0o077) | 0o027)
    try:
        app()
    except IngesterError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1 if isinstance(error, UsageError | ConfigurationError) else 3)
    except OSError as error:
        sys.stderr.write(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}\n")
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # noqa: BLE001 -- nothing is hidden: Python would print the same, but end with 1
        # Our own fault. 1 would say that the operator has to mend something, and systemd would not try again.
        traceback.print_exc()
        sys.exit(3)
