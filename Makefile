# Needs Python 3.11 or newer (with pip) and make, nothing else. `make` alone lists the targets.

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -q -c requirements.lock

# Of the benchmark: how many rows, how many times each contender runs.
ROWS ?= 1000000
ROUNDS ?= 3
# Of the storm.
KILLS ?= 300

.DEFAULT_GOAL := help
.PHONY: help demo test explore lint bench bench-exchange bench-reading bench-sftp bench-soak crash-soak format lock wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## upload a real file over SFTP to a server in a scratch folder and show what comes back
	@$(BIN)/ingester demo

test: lint ## run every check and every test
	@mkdir -p build
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not alone" --junit-xml=build/tests.xml
	$(BIN)/python -m pytest -m alone --junit-xml=build/tests-alone.xml

explore: $(VENV)/.test ## try the properties on examples that nobody has seen before
	$(BIN)/python -m pytest -n auto --hypothesis-profile=explore --timeout=3600 tests/properties tests/unit

lint: $(VENV)/.test ## check style, types and import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench ## measure against other ways of doing it: make bench ROWS=100000 ROUNDS=3
	@$(BIN)/python -m tests.benchmarks.bench --rows $(ROWS) --rounds $(ROUNDS)

bench-exchange: $(VENV)/.bench ## measure a whole service: a thousand customers at once, long queues, idle costs
	@$(BIN)/python -m tests.benchmarks.exchange

bench-reading: $(VENV)/.bench ## measure what it costs to find out what a file is, and to read it
	@$(BIN)/python -m tests.benchmarks.reading --rows $(ROWS)

bench-sftp: $(VENV)/.bench ## measure against sshd (Debian: openssh-server): 20 GB of disk
	@$(BIN)/python -m tests.benchmarks.sftp

bench-soak: $(VENV)/.bench ## measure from 10,000 to 10 million rows: half an hour, 15 GB of disk
	@$(BIN)/python -m tests.benchmarks.soak --rounds $(ROUNDS)

crash-soak: $(VENV)/.test ## kill a service 300 times under load, on each database: half an hour
	$(BIN)/python -m tests.integration.crash.storm --kills $(KILLS)

format: $(VENV)/.test ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(BIN)/python ## move requirements.lock to the newest versions that pyproject.toml allows
	@$(BIN)/python -m pip install --disable-pip-version-check -q uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --no-annotate --no-header \
		pyproject.toml -o requirements.lock

wheel: $(VENV)/.test ## build the wheel and the source distribution into dist/
	$(BIN)/python -m build --no-isolation --outdir dist

clean: ## remove everything that the other targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make a second run instant; a wider installation serves the narrower ones too.
$(VENV)/.runtime: pyproject.toml requirements.lock | $(BIN)/python
	@echo "Installing ingester into $(VENV)"
	@$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.test: pyproject.toml requirements.lock | $(BIN)/python
	@echo "Installing ingester and its test and lint tools into $(VENV)"
	@$(PIP_INSTALL) -e '.[test,lint]'
	@touch $@ $(VENV)/.runtime

$(VENV)/.bench: pyproject.toml requirements.lock | $(BIN)/python
	@echo "Installing ingester and what it is measured against into $(VENV)"
	@$(PIP_INSTALL) -e '.[test,bench]'
	@touch $@ $(VENV)/.runtime

# A name on PATH may be a shim for a Python that is not there, or a Python without venv: try each.
$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo "Creating $(VENV) with $$($$python --version)"; \
			exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "No Python 3.11 or newer with venv found. Install one (Debian: apt-get install python3-venv), or name it:" \
		"make PYTHON=/path/to/python3" >&2; \
	exit 1
