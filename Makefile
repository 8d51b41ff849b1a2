# The targets that people use. Everything is installed into .venv here and, for the lab, into a cache outside the tree
# (XENCI_CACHE_DIR; root's default is /var/cache/xenci). `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)
# the tests that need neither lab nor browser; they share no state, so they run on all cores
FAST := not lab and not xen and not browser
# one for each core, kept there (tests/conftest.py)
WORKERS := $(shell nproc)
# their files are in memory where there is room; only those of tests that failed are kept
MEMORY := $(shell [ -w /dev/shm ] && [ $$(df --output=avail /dev/shm | tail -1) -gt 2000000 ] && echo /dev/shm || echo /tmp)
FAST_RUN = env XENCI_TEST_PINNED=1 PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --ignore=tests/lab \
	-o tmp_path_retention_policy=failed -o tmp_path_retention_count=1 -m "$(FAST)"
# where the tests' labs are; a killed run leaves its processes there
TEST_LABS := $(or $(XENCI_TEST_LAB_DIR),/var/tmp/xenci-test-lab)
END_TEST_LABS = @for lab in $(wildcard $(TEST_LABS)*); do \
	[ ! -x $(BIN)/xenci ] || $(SUDO) env XENCI_LAB_DIR=$$lab $(BIN)/xenci lab down > /dev/null; done
export MALLOC_ARENA_MAX := 2
# compiled modules are kept: without, each of the tests' workers compiles all of them anew, a second for each
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast check bench clean system-lab

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/made system-lab ## install xenci into .venv, and what the lab needs

demo: $(VENV)/made system-lab ## bring up the lab, push two changes, show what becomes of them; Ctrl-C ends all
	@$(SUDO) $(BIN)/xenci lab demo

test: $(VENV)/made $(VENV)/tests system-lab ## run every test, the whole loop in the lab included
	$(END_TEST_LABS)
	@$(SUDO) $(FAST_RUN)
	@$(SUDO) $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --maxfail=6 --durations=15 -m "not ($(FAST))"

test-fast: $(VENV)/made $(VENV)/tests ## run the tests that need neither lab nor browser
	@$(FAST_RUN) --hypothesis-profile=quick

check: $(VENV)/made $(VENV)/tests ## ruff, mypy, import contracts, fast tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test-fast

bench: $(VENV)/made $(VENV)/tests system-lab ## measure what is ours, as ratios in one run
	@$(SUDO) $(BIN)/python -m tests.bench

clean: ## end the lab, and those of tests, and remove what was made in this folder (the cache stays)
	@[ ! -x $(BIN)/xenci ] || $(SUDO) $(BIN)/xenci lab down
	$(END_TEST_LABS)
	$(SUDO) rm -rf $(TEST_LABS)*
	$(SUDO) rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

# Debian packages that a program of ours needs; asked for only if one is missing.
$(VENV)/made: requirements/xenci.txt pyproject.toml scripts/debian
	@SUDO="$(SUDO)" scripts/debian xenci
	@echo "Installing xenci into $(VENV) (two minutes the first time)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/xenci.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/tests: $(VENV)/made requirements/dev.txt
	@SUDO="$(SUDO)" scripts/debian tests
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

system-lab:
	@SUDO="$(SUDO)" scripts/debian lab
