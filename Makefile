# Everything for a developer's machine and for one server; needs python3, python3-venv and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
TEST_PROCESSES ?= 3
# Each program compiled once, not at each of its hundreds of starts, whatever the environment says.
COMPILED := PYTHONDONTWRITEBYTECODE=
SOURCES := $(wildcard app.py chat config tasks workers bench tests)

.PHONY: help run test fuzz bench lint clean

help:
	@echo "make run    start everything on this machine"
	@echo "make test   run the whole suite"
	@echo "make fuzz   feed a million inputs to the protocol code (ARGS=\"--inputs N --seed N\")"
	@echo "make lint   check format, style, types and imports"
	@echo "make bench  run the benchmarks"
	@echo "make clean  remove the virtual environment and all caches, not the data in var/"

run: $(VENV)/.run
	@exec $(BIN)/python -m workers.stack --with-parent

test: $(VENV)/.dev
	@if [ -f tests/node/package.json ] && command -v node >/dev/null && command -v npm >/dev/null; then \
		npm ci --prefix tests/node --silent --no-audit --no-fund; \
	fi
	@$(COMPILED) $(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: $(VENV)/.dev
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy $(SOURCES)
	@$(BIN)/lint-imports

bench: $(VENV)/.dev
	@$(BIN)/python -m bench $(ARGS)
	@$(BIN)/python -m bench.everyday
	@$(BIN)/python -m bench.store

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis tests/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than the requirements that it was made from.
$(VENV)/.made:
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: requirements.txt | $(VENV)/.made
	@echo "installing the packages of requirements.txt"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt | $(VENV)/.made
	@echo "installing the packages of requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@ $(VENV)/.run
