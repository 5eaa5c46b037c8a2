# demo   install what is needed and run a shop of five real machine tools, and two that take orders   (CHECK=1: prove it and exit)
# test   install what is needed and run every test, quick ones first
# lint   format, lint and type checks           bench  the budget table, measured      web  build the web app
# soak   the long reliability tests             clean  forget what was installed and built
# release  a wheel, its bill of materials and SHA256SUMS in dist/, signed with an SSH key (KEY=file)
# lock   write the exact dependencies anew (LOCK_ARGS=--upgrade: newer ones where allowed)

PYTHON ?= python3
BIN := .venv/bin
WEB := src/gemel/server/web/index.html
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: demo test lint bench web soak clean install lock release
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile

$(BIN)/gemel: pyproject.toml locks/demo.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement locks/demo.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev: $(BIN)/gemel locks/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement locks/dev.txt
	@touch $@

$(WEB): $(BIN)/gemel $(WEB_SOURCES) hatch_build.py
	$(BIN)/pip install --quiet --disable-pip-version-check --group web
	$(BIN)/python hatch_build.py
	@touch $@

install: $(BIN)/gemel $(WEB)

web: $(WEB)

demo: install
	$(BIN)/gemel demo $(if $(CHECK),--check)

test: install .venv/dev
	$(BIN)/python -m tests.prepare
	$(BIN)/python -m pytest -m 'not soak' --numprocesses 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

release: .venv/release $(WEB)
	$(BIN)/python -m release.make $(if $(KEY),--key $(KEY))

lock: .venv/release
	$(BIN)/python -m release.lock $(LOCK_ARGS)

.venv/release: $(BIN)/gemel locks/release.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement locks/release.txt
	@touch $@

lint: .venv/dev
	$(BIN)/ruff format --check src tests benchmarks release
	$(BIN)/ruff check src tests benchmarks release
	$(BIN)/mypy

bench: install .venv/dev
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

soak: install .venv/dev
	$(BIN)/python -m tests.prepare
	GEMEL_SEED=$${GEMEL_SEED:-$$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')} $(BIN)/python -m pytest -m soak --timeout 14400 $(PYTEST_ARGS)

clean:
	rm -rf .venv web/node_modules src/gemel/server/web
