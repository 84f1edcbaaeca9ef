# Everything comes from the lock files, with hashes, into .venv. Stamps in .venv remember what is done, so a second
# start installs nothing and needs no network. To begin again: make clean.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV := $(BIN)/uv
PAGES := $(shell find web build_web.py -type f -not -path "*/node_modules/*" -not -path "web/tests/*" 2>/dev/null)

MAKEFLAGS += --no-print-directory --no-builtin-rules
.DELETE_ON_ERROR:
.PHONY: help run test test-all check bench fmt lock clean processor

help:
	@echo "make run       install what is missing, then serve on http://127.0.0.1:8400"
	@echo "make test      what every change must pass, in a few minutes"
	@echo "make test-all  also the slow ones: killed processes, real models, a browser"
	@echo "make check     format, lint, types, architecture, dead code"
	@echo "make bench     figures, each beside a reference from the same run"
	@echo "make fmt       format, and mend what ruff can mend"
	@echo "make lock      resolve the dependencies anew"
	@echo "make clean     remove .venv"

run: processor .venv/.yaoki .venv/.models
	@$(BIN)/yaoki serve

test: .venv/.dev .venv/.yaoki
	@$(BIN)/python build_web.py check
	@$(BIN)/python -m pytest -q -m "not slow and not browser"

test-all: .venv/.dev .venv/.yaoki .venv/.models
	@$(BIN)/python build_web.py check
	@$(BIN)/python -m pytest -q

check: .venv/.dev
	@$(BIN)/ruff format --quiet --check . || { echo "Not formatted: make fmt"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/basedpyright
	@PYTHONPATH=src $(BIN)/lint-imports --no-logo
	@$(BIN)/vulture

bench: .venv/.dev .venv/.yaoki .venv/.models
	@$(BIN)/python -m bench

fmt: .venv/.dev
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

lock: .venv/.uv
	@for lock in "requirements.lock --extra server --extra local" "requirements-dev.lock --all-extras -c requirements.lock"; do \
		$(UV) pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --quiet \
			--no-emit-index-url --no-emit-find-links --no-annotate --no-header -o $$lock || exit 1; \
	done

clean:
	rm -rf .venv

# ------------------------------------------------------------------------------------------------------------- stamps

.venv/.python:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Yaoki needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing (on Debian: apt install python3-venv)."; exit 1; }
	@touch $@

# pip installs only uv, in the locked version; uv does the rest ten times as fast.
.venv/.uv: .venv/.python requirements.lock
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip --disable-pip-version-check install --no-deps --require-hashes -r .venv/uv.lock
	@touch $@

.venv/.run: .venv/.uv requirements.lock
	@echo "Installing the locked packages (the first time: about 150 MB)"
	@$(UV) pip install --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@touch $@

.venv/.dev: .venv/.uv requirements-dev.lock
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

# Sources are used where they lie; only the metadata and the web pages are built, with the locked tools.
.venv/.yaoki: .venv/.run pyproject.toml $(PAGES)
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src/yaoki
	@touch $@

.venv/.models: .venv/.yaoki $(wildcard src/yaoki/llm/local/models.lock)
	@$(BIN)/yaoki models install
	@touch $@

processor:
	@if [ "$$(uname -m)" = x86_64 ] && [ -r /proc/cpuinfo ] && ! grep -qw avx2 /proc/cpuinfo; then \
		echo "WARNING: this processor has no AVX2, which the embedded model needs. Yaoki starts all the same, and says"; \
		echo "         'degraded' until a model answers: name a provider in yaoki.toml (README, \"Configuration\")."; \
	fi
