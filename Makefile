# The two commands for a fresh machine: `make demo` and `make test`. Both create .venv if it is missing.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: demo test lint docs notebooks clean help

help:
	@echo "make demo       install exval into .venv and show it on real cells (writes exval-demo/)"
	@echo "make test       install the development tools too and run the tests and the examples of the docstrings"
	@echo "make lint       style and formatting"
	@echo "make docs       render the API reference into build/docs"
	@echo "make notebooks  run the notebooks of docs/notebooks again"
	@echo "make clean      remove what the other targets made (and .venv)"

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "exval needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "could not create .venv: install the venv module of your Python (Debian, Ubuntu: python3-venv)" >&2; exit 1; }

$(VENV)/.core: pyproject.toml constraints.txt | $(PY)
	@echo "Installing exval and its dependencies into $(VENV) (once; one to ten minutes with your network)"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "Installing the development tools into $(VENV) (once; less than a minute)"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.core
	@echo "Installing the documentation tools into $(VENV) (once; less than a minute)"
	@$(PIP) install -c constraints.txt -e '.[docs]'
	@touch $@

demo: $(VENV)/.core
	@$(VENV)/bin/exval demo --out exval-demo $(ARGS)

test: $(VENV)/.dev
	@$(PY) -m pytest $(ARGS)

lint: $(VENV)/.dev
	@$(PY) -m ruff check --no-cache src tests benchmarks docs
	@$(PY) -m ruff format --no-cache --check src tests benchmarks docs

docs: $(VENV)/.docs
	@$(PY) docs/render.py build/docs

notebooks: $(VENV)/.docs
	@$(PY) docs/notebooks/make.py

clean:
	rm -rf $(VENV) build dist exval-demo .pytest_cache .ruff_cache .hypothesis
