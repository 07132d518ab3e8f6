# Pintu: every command a person needs. Works on a fresh clone with Python 3.11+ and make alone.
PORT ?= 8800
DATA ?= ./.data
NAME ?= city
WORKERS ?= 2
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info < (3,14))' \
	2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Tests write in memory where there is enough: what they ask survives kill -9 there as on a disk.
# Faults, claims and benches stay on the disk.
IN_MEMORY = $(shell [ -w /dev/shm ] && [ "$$(df -Pk /dev/shm | awk 'NR==2 {print $$4}')" -gt 3000000 ] \
	&& awk '/^MemAvailable/ {exit $$2 < 6000000}' /proc/meminfo && echo TMPDIR=/dev/shm)

.PHONY: help up install test test-again test-doors check style faults bench browser conformance show picture journey coverage clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: $(VENV)/.installed ## install, then start the demo city on http://127.0.0.1:$(PORT)
	@exec $(BIN)/pintu up --demo --data $(DATA) --port $(PORT)

install: $(VENV)/.installed-dev ## install what running, testing and checking need

test: $(VENV)/.installed-dev ## the tests (browser, faults and conformance have commands of their own)
	$(IN_MEMORY) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		--ignore=tests/browser --ignore=tests/faults --ignore=tests/conformance tests src/pintu/pieces $(ARGS)

test-again: $(VENV)/.installed-dev ## the few that failed last, once more and alone
	$(IN_MEMORY) $(BIN)/python -m tests.again

test-doors: $(VENV)/.installed-dev ## the doors' tests alone; PINTU_TEST_STORE=postgres asks them on PostgreSQL
	$(IN_MEMORY) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile tests/web/ngsi_ld $(ARGS)

style: $(VENV)/.installed-dev ## what no test asks: ruff, mypy, which way imports run
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: style ## style, and the tests of the house's own rules
	$(BIN)/python -m pytest -q tests/test_tidy.py tests/puzzle/test_boundaries.py

faults: $(VENV)/.installed-dev ## kill -9, power cut, full disk, floods; FAST=1 for the short form
	$(BIN)/python -m tests.faults.run $(if $(FAST),--fast)

bench: $(VENV)/.installed-dev ## CPU an operation beside its floor
	$(BIN)/python -m bench $(ARGS)

browser: $(VENV)/.installed-dev ## the screens, in a real browser
	$(BIN)/python -m pytest -q tests/browser $(ARGS)

conformance: $(VENV)/.installed-dev ## outside clients, then ETSI's suite (ETSI_HOME says where it is)
	$(BIN)/python -m tests.conformance.clients
	$(BIN)/python -m tests.conformance.run $(ARGS)

show: $(VENV)/.installed-dev ## measure what a capability promises: NAME=city, FULL=1 for all of it
	$(BIN)/python -m claims $(NAME) $(if $(FULL),--full) $(ARGS)

picture: $(VENV)/.installed-dev ## docs/picture.png, taken from a running demo city
	$(BIN)/python -m tests.browser.picture docs/picture.png

journey: $(VENV)/.installed-dev ## docs/journey.md, from one real message of a running demo city
	$(BIN)/python -m claims.journey docs/journey.md

coverage: $(VENV)/.installed-dev ## line coverage of the kernel, at least 90 %
	$(BIN)/python -m pytest -q --cov --cov-report=term --cov-fail-under=90 tests/kernel tests/web

clean: ## remove what was built; the city's data stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage htmlcov

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is not here; install one first"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[demo,postgres]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_FLAGS) -e '.[demo,postgres]' --group dev
	@$(BIN)/python -m compileall -q -j 0 src
	@touch $(VENV)/.installed $@
