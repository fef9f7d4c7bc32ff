"""A systemd unit as it is written: its settings in order, by section."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "systemd"
#: Where units expect the program.
PROGRAM = "/opt/ingester/bin/ingester"


class Unit:
    """One unit file; what is not a comment, a section or `Key=value` is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.settings: list[tuple[str, str, str]] = []
        section = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("[") and line.endswith("]"):
                section = line[1:-1]
            elif line and not line.startswith("#"):
                key, equals, value = line.partition("=")
                assert equals, f"{path.name}: {line}"
                assert section, f"{path.name}: {line} is in no section"
                assert key.isalnum(), f"{path.name}: {line}"
                self.settings.append((section, key, value))

    def all(self, key: str) -> list[str]:
        """The values of a key, one for each time that it is set."""
        return [value for _, name, value in self.settings if name == key]

    def one(self, key: str) -> str:
        """The value of a key that is set once."""
        (value,) = self.all(key)
        return value

    def words(self, key: str) -> list[str]:
        """The words of a key, however many times it is set."""
        return [word for value in self.all(key) for word in value.split()]

    @property
    def arguments(self) -> list[str]:
        """What it starts, after the program."""
        program, *arguments = self.one("ExecStart").split()
        assert program == PROGRAM
        return arguments
