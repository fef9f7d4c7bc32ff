"""`python -m ingester` is `ingester`."""

from ingester.cli import main

if __name__ == "__main__":
    main()
