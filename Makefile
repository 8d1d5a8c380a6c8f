# Everything a fresh machine needs is git, make and Python 3.11 with venv. `make help` lists the targets.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
N ?= 500
TRACED ?= 120
QUESTIONS ?= 10000
VERIFIED ?= 1000
PROPERTIES ?= $(N)
SEED ?=
# One more than a small machine has cores: tests also wait, for disks and servers.
WORKERS ?= 3
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where it is set, each of the hundreds of processes that tests start would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# -------------------------------------------------------------------- what people run

.PHONY: demo
demo: $(INSTALLED) ## Build a small shop, seal some nights, read an order back
	@$(BIN)/archiver demo $(ARGS)

.PHONY: test
test: $(INSTALLED) servers ## Run all tests on real servers (ARGS='-k word' narrows them)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: lint
lint: $(INSTALLED) ## Check style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: coverage
coverage: $(INSTALLED) servers ## Run all tests and show what they do not reach
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term $(ARGS)

.PHONY: bench
bench: $(INSTALLED) servers bench-tools ## Measure speed and memory against peers: a table of ratios
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: soak
soak: $(INSTALLED) servers soak-tools ## Live through N histories of bad luck, break TRACED system calls, verify VERIFIED times, ask QUESTIONS (SEED=… repeats), test properties
	@$(BIN)/python -m tests.soak --histories $(N) --traced $(TRACED) --verifications $(VERIFIED) --workers $(WORKERS) $(if $(SEED),--seed $(SEED))
	@if [ '$(QUESTIONS)' != 0 ]; then \
	  $(BIN)/python -m tests.soak.questions --questions $(QUESTIONS) $(if $(SEED),--seed $(SEED)); \
	fi
	@if [ '$(PROPERTIES)' != 0 ]; then \
	  HYPOTHESIS_PROFILE=soak SOAK_EXAMPLES=$(PROPERTIES) $(BIN)/python -m pytest -n $(WORKERS) -m "hypothesis or planted" $(ARGS); \
	fi

.PHONY: format
format: $(INSTALLED) ## Format, and mend what ruff can mend
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

.PHONY: lock
lock: $(INSTALLED) ## Resolve requirements.lock again (ARGS=--upgrade for new releases)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate $(ARGS) -o requirements.lock >/dev/null
	@echo "requirements.lock written; commit it together with pyproject.toml"

.PHONY: install
install: $(INSTALLED) ## Install the locked Python packages into .venv

# -------------------------------------------------------------------- what they need

# Run twice, this costs nothing: the stamp is as new as the lock. flock: two makes at once wait.
# --no-deps: the lock is whole, and pip's resolver would take a newer `coverage[toml]` than it names.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed and '$(PYTHON)' is not: install Debian's package 'python3', or name one with make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON) -m venv' cannot work: install Debian's package 'python3-venv'" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked Python packages into $(VENV)"
	@exec 9>$(VENV)/lock; flock 9; \
	$(BIN)/python -m pip install -qq --no-deps --require-hashes -r requirements.lock; \
	$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .; \
	touch $@

ROOT := $(filter 0,$(shell id -u))

# $(call debian,command,package): install the package when its command is missing and we may.
# A policy-rc.d that says no keeps Debian from starting a service that nobody asked for.
define debian
	@if command -v $(1) >/dev/null || compgen -G '$(1)' >/dev/null; then :; \
	elif [ -z '$(ROOT)' ] || ! command -v apt-get >/dev/null; then \
	  echo "$(2) is missing (Debian's package '$(2)'); what needs it is skipped, or fails under CI=true" >&2; \
	else \
	  echo "installing Debian's $(2)"; \
	  policy=/usr/sbin/policy-rc.d; \
	  if [ ! -e $$policy ]; then \
	    printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; trap "rm -f $$policy" EXIT; \
	  fi; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get update && apt-get install --yes --no-install-recommends $(2); } >$(VENV)/apt.log 2>&1 || \
	    { tail -n 20 $(VENV)/apt.log >&2; echo "$(2) could not be installed; see $(VENV)/apt.log" >&2; }; \
	fi
endef

.PHONY: servers
servers: $(INSTALLED)
	$(call debian,/usr/sbin/mariadbd,mariadb-server)
	$(call debian,openssl,openssl)
	$(call debian,chromium,chromium)
	$(call debian,/usr/share/fonts/truetype/wqy/wqy-microhei.ttc,fonts-wqy-microhei)
ifeq ($(CI),true)
	$(call debian,/usr/lib/postgresql/*/bin/postgres,postgresql)
	$(call debian,strace,strace)
endif

.PHONY: soak-tools
soak-tools: $(INSTALLED)
	$(call debian,strace,strace)

.PHONY: bench-tools
bench-tools: $(INSTALLED)
	$(call debian,pt-archiver,percona-toolkit)
	$(call debian,restic,restic)
