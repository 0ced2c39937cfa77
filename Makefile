# Isocentre. `make help` lists what can be made.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup serve test soak lint format bench programs clean

VENV := .venv
BIN := $(VENV)/bin
# Seconds after which a whole test run is given up; one test has the limit in pyproject.toml.
TEST_LIMIT ?= 3600
# Many tests wait for processes and peers: one more than there are cores to spare keeps these busy.
TEST_PROCESSES ?= 3
# Further arguments for pytest, as in `make test TESTS=tests/storage` or TESTS='-k move'.
TESTS ?=
# Further arguments for the node, as in `make serve ARGS='--config /etc/isocentre/config.toml'`.
ARGS ?=

help:  ## list the targets
	@awk -F ':.*##' '/^[a-z]+:.*##/ { printf "  make %-10s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.serve  ## set up, then run the whole node here; stop it with Ctrl-C
	exec $(BIN)/isocentre serve $(ARGS)

setup: $(VENV)/.dev  ## make .venv with everything for development; runs once

test: $(VENV)/.dev programs  ## set up, lint, check types, run all tests; pytest has the last word
	@failed=0; set -x; \
	$(BIN)/ruff check || failed=1; \
	$(BIN)/ruff format --check || failed=1; \
	$(BIN)/mypy || failed=1; \
	timeout --foreground -k 30 $(TEST_LIMIT) $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal -m "not soak" $(TESTS) || failed=1; \
	{ set +x; exit $$failed; } 2>/dev/null

soak: $(VENV)/.dev programs  ## run the long tests: crash loops, thousands of associations
	$(BIN)/python -m pytest -m soak $(TESTS)

lint: $(VENV)/.dev  ## check style, format and types; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.dev  ## put the format right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev programs  ## measure this node beside dcmtk and Orthanc
	$(BIN)/python -m benchmarks

programs:  ## install, or name, the programs that tests meet: dcmtk, PostgreSQL, Orthanc, …
	@.ci/programs

clean:  ## remove .venv and caches; data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

# Set-up is stamped, so it runs once, and again when pyproject.toml changes. What is there already is left as it
# is: when nothing is missing it succeeds without a network.
PIP = $(BIN)/python -m pip install --quiet

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	$(PIP) 'setuptools>=77'
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) 'setuptools>=77'
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@ $(VENV)/.serve

$(BIN)/python:
	.ci/venv $(VENV)
