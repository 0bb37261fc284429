# make run: a fresh machine opens the editor or, without a display, renders the demo.  make test: everything CI checks.
# make bench: side by side with Pure Data and scsynth, where they are installed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test check bench clean

run: $(VENV)/.run
	@if why=$$($(BIN)/python -c 'from ui.display import why_not; print(why_not())') && [ -z "$$why" ]; then $(BIN)/zrack; else \
	  echo "$$why, so the demo is rendered; with one, this opens the editor"; mkdir -p out; \
	  $(BIN)/zrack render patches/demo.zrack -o out/demo.wav --spectrogram out/demo.png; fi

test: $(VENV)/.test check
	$(BIN)/python -m pytest -m "not slow"

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The other programs are optional: apt-get install puredata-core supercollider-server
bench: $(VENV)/.test
	$(BIN)/python -m tests.benchmarks.peers

clean:
	rm -rf $(VENV) out build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "zrack needs Python 3.11 or newer with venv; name one with: make PYTHON=python3.12 (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	@echo "installing zrack into $(VENV) ..."
	@$(PIP) install --editable '.[plots]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "installing zrack and its test tools into $(VENV) ..."
	@$(PIP) install --editable '.[test]'
	@$(PIP) install --no-deps nn-tilde==1.6.0 cached_conv==2.5.0 # nn-tilde asks for a torch of its own
	@touch $@
