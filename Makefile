# The project's few words. `make run` and `make test` set themselves up: only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test lint types bench docs words clean

run: $(READY)
	$(BIN)/slipkeeper demo

test: $(READY) lint
	$(BIN)/pytest -n auto

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python benchmarks/run.py

docs: $(READY)
	$(BIN)/python docs/make.py

words: $(READY)
	$(BIN)/pybabel -q compile -D slipkeeper -d agent/locale
	$(BIN)/pybabel -q compile -D django -d upstream/locale

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,fonts,upstream,chain]'
	touch $(READY)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache demo
