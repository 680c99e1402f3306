# Canary: everything a person or a pipeline runs. `make help` lists it.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# Two cores are what the machines have that run this most often; the fast tests wait often enough for a third worker.
WORKERS ?= 2
FAST_WORKERS ?= 3

# Bytecode is kept whatever the shell says: tests start hundreds of processes, and each would compile all of it anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-image test-cluster test-mesh check format docs lock sbom audit bench-detection bench-mesh clean

help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.sandbox ## Three releases on real traffic, in under three minutes (ARGS=--fast, --keep, ...)
	@scripts/install-prometheus
	@$(BIN)/canaryctl demo $(ARGS)

test: $(VENV)/.dev ## The fast test suite
	@scripts/install-prometheus
	@$(BIN)/python -m pytest -n $(FAST_WORKERS) -m "not slow and not image" $(ARGS)

test-slow: $(VENV)/.dev ## Tests that run real components for many seconds
	@scripts/install-prometheus
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow $(ARGS)

test-image: $(VENV)/.dev ## Build the image with a real engine, and run it under real runtimes (root on Debian 12)
	@scripts/install-podman
	@$(BIN)/python -m pytest -m image $(ARGS) tests/image

test-cluster: $(VENV)/.dev ## The contract, adapters and scenarios on a real Kubernetes API server, which Go builds once
	@scripts/install-prometheus
	@go=$$(scripts/install-go $(BIN)/python) && PATH="$$go:$$PATH" $(BIN)/python -m tests.cluster $(ARGS)

test-mesh: $(VENV)/.dev ## Scenarios with Istio's own control plane between VirtualServices and requests
	@scripts/install-prometheus
	@go=$$(scripts/install-go $(BIN)/python) && PATH="$$go:$$PATH" $(BIN)/python -m tests.mesh $(ARGS)

bench-mesh: $(VENV)/.dev ## How soon weights are in force and faults are found on a real mesh; prints tables
	@scripts/install-prometheus
	@go=$$(scripts/install-go $(BIN)/python) && PATH="$$go:$$PATH" $(BIN)/python -m benchmarks.mesh $(ARGS)

check: $(VENV)/.dev ## Format, lint, types, layers, sizes, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.house.sizes
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python charts/generate.py --check
	@$(BIN)/python -m canary.adapters.kube.crd --check

format: $(VENV)/.dev ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## Write the generated parts of docs/, config/ and charts/ again
	@$(BIN)/python docs/generate.py
	@$(BIN)/python -m canary.adapters.kube.crd
	@$(BIN)/python charts/generate.py
	@$(BIN)/python -m tests.chart.permissions

bench-detection: $(VENV)/.bench ## False rollbacks and detection beside the rules of today (ARGS=--quick, --check, --plots DIRECTORY)
	@$(BIN)/python -m benchmarks.detection $(ARGS)

sbom: $(VENV)/.dev ## Write dist/canary.cdx.json, the bill of materials of the image (CycloneDX)
	@$(BIN)/python -m requirements.sbom dist/canary.cdx.json

audit: $(VENV)/.dev ## Ask PyPI for known vulnerabilities of the locked Python packages
	@$(BIN)/python -m requirements.audit $(ARGS)

lock: $(VENV)/.dev ## Upgrade the lock files on purpose
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --all-extras --group dev $(LOCK) -o requirements/dev.lock
	@$(BIN)/uv pip compile pyproject.toml --extra sandbox $(LOCK) -c requirements/dev.lock -o requirements/sandbox.lock
	@$(BIN)/uv pip compile pyproject.toml $(LOCK) -c requirements/dev.lock -o requirements/core.lock
	@$(BIN)/uv pip compile --group bench $(LOCK) -o requirements/bench.lock
LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

$(BIN)/python:
	@scripts/make-venv "$(PYTHON)" "$(VENV)"

$(VENV)/.sandbox: $(BIN)/python requirements/sandbox.lock pyproject.toml
	@echo "installing canary and its sandbox into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sandbox.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.sandbox requirements/dev.lock
	@echo "installing the development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

$(VENV)/.bench: $(VENV)/.sandbox requirements/bench.lock
	@echo "installing what the benchmarks need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	@touch $@

clean: ## Remove the virtual environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
