# Every target first makes sure that .venv is there and matches pyproject.toml and constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The results of torch as a processor without vector instructions rounds them.
OTHER_ROUNDING := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41

# A folder with a checkout of each project whose tests run on our classes.
FOREIGN ?= foreign

.PHONY: help setup demo test test-rounding test-foreign bench lint clean

help:
	@echo "make demo   set up, make a small aerial dataset, train with all labels and with points, print the table"
	@echo "make test   set up and run every check"
	@echo "make test-rounding  the tests that compute with torch, as another processor and two threads round"
	@echo "make test-foreign FOREIGN=folder  the public suites of mmsegmentation and others on our classes (CONTRIBUTING.md)"
	@echo "make setup  only the environment in $(VENV)"
	@echo "make bench  benchmarks, each against what it replaces"
	@echo "make lint   ruff, mypy, and who may import whom"

setup: $(STAMP)

$(STAMP): pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Expected Python 3.10 or newer, got {v[0]}.{v[1]}. Name another: make PYTHON=python3.11" if v < (3, 10) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about two minutes and 6 GB the first time) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/python tools/demo.py

# One thread a process: two processes with two threads each slow one another down on two cores.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# No test may depend on how a processor rounds, nor on how many threads share a sum.
test-rounding: setup
	$(OTHER_ROUNDING) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/models tests/evaluation tests/features tests/engine/hooks
	$(OTHER_ROUNDING) OMP_NUM_THREADS=2 $(BIN)/python -m pytest tests/models/heads tests/models/segmentors

# One process: each suite is one of its own.
test-foreign: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[foreign]'
	MMSEG_EXT_FOREIGN='$(FOREIGN)' OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/foreign

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV)
