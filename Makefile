# make setup | demo | test | check | openapi
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BASELINE ?=
FOLLOW_UP ?=

.PHONY: setup demo test check openapi format

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "msdelta needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[worker,embedded,training,dev]'
	@touch $(STAMP)

# The main job through the REST API on the embedded stack: a phantom pair, or BASELINE=dir FOLLOW_UP=dir.
demo: setup
	$(BIN)/python -m worker.demo $(if $(FOLLOW_UP),$(if $(BASELINE),--baseline "$(BASELINE)") --follow-up "$(FOLLOW_UP)")

# Whole files side by side, those with slow tests first (tests/conftest.py): most of the time goes into a few of them.
test: setup
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: setup
	$(BIN)/python -m service.openapi
