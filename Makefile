PY := .venv/bin/python

.PHONY: check test test-all

.venv/ready: pyproject.toml
	python3 -m venv .venv
	$(PY) -m pip install -q -e '.[server,dev]'
	touch $@

check: .venv/ready
	.venv/bin/ruff check --line-length 120 src tests --ignore I001,RUF022,RUF100

test test-all: .venv/ready
	$(PY) -m pytest -q tests
