# make demo | test | check | bench | clean           (another Python: make demo PYTHON=python3.12)
PYTHON ?= python3
VENV ?= .venv
OUTPUT ?= build/hdrnet
MARKERS ?= not slow and not browser and not device and not arm64 and not ssh and not adb and not farm
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint check bench docs dist clean distclean

help:
	@echo "make demo    build HDRNet in every format from the shipped weights and photographs"
	@echo "make test    the tests that need no browser, no device and little time (MARKERS=\"not device\": all)"
	@echo "make check   formatting, lint, types, tests"
	@echo "make bench   speed and size, as a table in build/bench"
	@echo "make clean   remove what was built; make distclean also removes $(VENV)"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip

# The stamps are renewed when what they stand for changes.
$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable ".[all]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@ $(VENV)/.all

demo: $(VENV)/.all
	$(BIN)/viewfinder build hdrnet --output $(OUTPUT)
	@echo
	@echo "The report is $(abspath $(OUTPUT))/report.html"

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m "$(MARKERS)"

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy scripts bench

check: lint test

bench: $(VENV)/.dev
	$(BIN)/python -m bench --output build/bench

docs: $(VENV)/.dev
	$(BIN)/python scripts/write_cli_docs.py
	$(BIN)/python scripts/write_figures.py
	$(BIN)/python scripts/write_boards.py
	$(BIN)/python scripts/write_gate_schema.py

dist: $(VENV)/.dev
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python scripts/check_dist.py dist

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/viewfinder.egg-info
	find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
