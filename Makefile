# Every task of this repository. `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# A Python of 3.11 or newer that can make virtual environments; `make PYTHON=/path/to/python …` names one.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 /usr/bin/python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PACKAGES := dispatch_service mcp_adapter_service model_gateway model_loop service_kit stack tool_servers

.PHONY: help
help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(INSTALLED) ## start everything on this machine; Ctrl-C stops it
	@exec $(BIN)/switchboard up

.PHONY: test
test: lint gen-check ## lint, check the generated code, run the test suite
	@$(BIN)/pytest -m "not slow"

.PHONY: test-slow
test-slow: $(INSTALLED) ## the tests that `make test` leaves out: long runs and faults
	@$(BIN)/pytest -m slow

.PHONY: test-crash
test-crash: $(INSTALLED) ## kill processes under load, 300 times, and compare all records; SEED= and KILLS= choose
	@$(BIN)/python -m tests.crash --kills $(or $(KILLS),300) $(if $(SEED),--seed $(SEED))

.PHONY: test-conformance
test-conformance: $(INSTALLED) ## the official MCP conformance runner: every scenario that both revisions require
	@$(BIN)/pytest tests/conformance

.PHONY: test-soak
test-soak: $(INSTALLED) ## ten thousand calls of a server that goes wrong in every way; CALLS= chooses how many
	@$(BIN)/python -m tests.soak --calls $(or $(CALLS),10000)

.PHONY: bench
bench: $(INSTALLED) ## measure the full path against the same tool called directly
	@$(BIN)/python -m tests.bench

.PHONY: lint
lint: $(INSTALLED) ## style, types, the rule of which package may import which, and the policies
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary $(PACKAGES)
	@$(BIN)/lint-imports --no-logo >$(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }
	@$(BIN)/switchboard policy check --quiet

.PHONY: format
format: $(INSTALLED) ## rewrite the Python files in the project's style
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

.PHONY: gen
gen: $(INSTALLED) ## generate the code that is derived from proto/
	@$(BIN)/python -m stack.contract_gen

.PHONY: gen-check
gen-check: $(INSTALLED) ## fail when gen/ is not what proto/ generates
	@$(BIN)/python -m stack.contract_gen --check

.PHONY: install
install: $(INSTALLED) ## make .venv with everything in it, and nothing else

.PHONY: lock
lock: ## renew requirements.lock from pyproject.toml (needs the package index)
	@test -x $(BIN)/pip-compile || $(MAKE) --no-print-directory install
	@printf '# Every dependency of every task, pinned. Renew with `make lock`.\n' >$(VENV)/requirements.lock
	@$(BIN)/pip-compile --quiet --all-extras --strip-extras --allow-unsafe --upgrade --no-header --annotation-style=line \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file=- pyproject.toml >>$(VENV)/requirements.lock
	@mv $(VENV)/requirements.lock requirements.lock

.PHONY: clean
clean: ## remove .venv, caches and the local state (.switchboard, with its database)
	@rm -rf $(VENV) .switchboard .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer with venv is needed; install it, or name one with PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing what requirements.lock lists (the first time takes a minute)"
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet --requirement requirements.lock
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
