# `make demo` and `make test` work from a bare checkout: Python >= 3.11 with venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_OUT ?= factory-demo

.DELETE_ON_ERROR:
.PHONY: demo test lint lock bench soak clean

demo: $(STAMP)
	$(BIN)/factory demo --out $(DEMO_OUT)

test: $(STAMP)
	@tools/check $(BIN)

lint: $(STAMP)
	$(BIN)/ruff check factory tests tools
	$(BIN)/ruff format --check factory tests tools
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python tools/bench.py

# Half an hour of mutated sheets, then thousands of kills, at other steps each time; `make test` gives both seconds.
soak: $(STAMP)
	FACTORY_FUZZ_SECONDS=1800 $(BIN)/python -m pytest tests/sheets/test_fuzz.py
	FACTORY_KILLS=1000 FACTORY_KILLS_SEED=$$(date +%s) $(BIN)/python -m pytest -n 2 tests/kills

# One resolution for run time and tests; pins and hashes, no addresses.
lock:
	uv pip compile pyproject.toml --extra test --extra keyring --extra postgres --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --custom-compile-command "make lock" --output-file requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "factory needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv is missing. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

clean:
	rm -rf $(VENV) build dist factory-demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
