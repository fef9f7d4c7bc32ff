"""Documentation, configuration and code say the same: what exists is described, and what is described exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ingester.domain.notice import CATALOGUE
from tests.conftest import DEBIAN_PACKAGES

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def contributing() -> str:
    return (REPOSITORY / "CONTRIBUTING.md").read_text()


@pytest.fixture(scope="module")
def documentation(contributing: str) -> str:
    return (REPOSITORY / "README.md").read_text() + contributing


def test_every_notice_code_is_documented(documentation: str) -> None:
    assert not [code for code in CATALOGUE if f"`{code}`" not in documentation]


def test_a_notice_code_names_the_defect_in_snake_case() -> None:
    for code in CATALOGUE:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)


def test_every_notice_has_words_for_the_customer() -> None:
    for notice in CATALOGUE.values():
        assert notice.message
        assert notice.hint.endswith("."), notice.code


def requirements() -> list[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    return [re.split(r"[\[<>=!~ ;]", line)[0] for line in lines]


def test_every_dependency_says_what_it_is_for(contributing: str) -> None:
    assert not [name for name in requirements() if f"`{name.lower()}`" not in contributing.lower()]


def test_every_dependency_is_pinned() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    pinned = set(re.findall(r"^(\S+)==", lock, re.MULTILINE))
    assert not [name for name in requirements() if name.lower().replace(".", "-") not in pinned]


def test_the_import_direction_is_enforced() -> None:
    linter = PROJECT["tool"]["importlinter"]
    assert set(linter["root_packages"]) == {"ingester", "sftp_server"}
    assert {"layers", "forbidden"} <= {contract["type"] for contract in linter["contracts"]}


def test_every_part_of_the_package_is_on_its_map() -> None:
    package = REPOSITORY / "ingester"
    written = (package / "__init__.py").read_text()
    folders = {path.parent.name + "/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert not [part for part in sorted(folders | modules) if part not in written]


def sources() -> list[Path]:
    return [path for package in ("ingester", "sftp_server") for path in (REPOSITORY / package).rglob("*.py")]


def test_every_module_says_what_lives_in_it() -> None:
    assert not [path for path in sources() if "versions" not in path.parts and not path.read_text().startswith('"""')]


def test_no_module_has_a_name_that_says_nothing() -> None:
    meaningless = {"utils", "util", "common", "helpers", "helper", "manager", "data", "misc"}
    assert not [path for path in sources() if meaningless & {path.stem, path.parent.name}]


def test_ci_installs_the_packages_that_tests_name_in_their_skips() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text()
    for program, package in DEBIAN_PACKAGES.items():
        assert f"have {program}" in script
        assert f"packages+=({package})" in script


def test_every_target_of_the_makefile_tells_what_it_does() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    described = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert phony.split() == described
