# Everything a developer or a newcomer runs. `make` alone prints what there is.
#
# Three environments, each made on demand and rebuilt when pyproject.toml or its lock changes:
#   .venv      what a user gets: the package installed as a wheel                    (make demo)
#   .venv-dev  the package in editable form, with what tests and lint need           (make test, lint, bench)
#   .venv-plots  what draws the curves of docs/growth.svg                              (make bench-plots)
#   .venv-ray  real Ray, to run the conformance cases and the benchmarks against     (make conformance-ray, bench)

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CORE := python/mobula/bin/mobula-core
USER := .venv/bin/python
DEV := .venv-dev/bin/python
RAY := .venv-ray/bin/python
RAY_VERSION := 2.60.0
LOGS := build/logs
DEVELOPED := $(CORE) .venv-dev/.made build/.compiled

GO_DIRS := $(wildcard cmd coreworker pyshim proto)
GO_SOURCES := $(shell find $(GO_DIRS) -name '*.go' -not -name '*_test.go' 2>/dev/null) go.mod go.sum
PY_SOURCES := $(shell find python/mobula \( -name '*.py' -o -name '*.pyi' -o -name py.typed \) -not -path '*/__pycache__/*')
PACKAGING := pyproject.toml packaging/core_binary.py packaging/hatch_build.py README.md LICENSE

# The first Python of at least 3.10 on PATH; PYTHON=/some/python overrides it.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11 python3.10,$(shell \
  $(p) -c 'import sys; sys.version_info >= (3, 10) and print("$(p)")' 2>/dev/null)))
need_python = @[ -n '$(PYTHON)' ] || { echo 'error: mobula needs Python 3.10 or newer and found none on PATH; set PYTHON=/path/to/python3' >&2; exit 1; }
need_go = @command -v go >/dev/null || { echo 'error: mobula-core is written in Go and no `go` was found on PATH: https://go.dev/dl' >&2; exit 1; }
new_venv = echo "making $(1)" && rm -rf $(1) && $(PYTHON) -m venv $(1)
pip = $(1)/bin/python -m pip install --disable-pip-version-check --quiet

# The race detector needs cgo in the test binaries (never in the product), and so a C compiler.
HAVE_CC := $(shell command -v "$$(go env CC 2>/dev/null || echo cc)" 2>/dev/null)
GO_TEST := $(if $(HAVE_CC),CGO_ENABLED=1 go test -race,CGO_ENABLED=0 go test)

# CONFORMANCE_BACKEND=ray runs the same cases on real Ray.
CONFORMANCE_BACKEND ?= mobula
export CONFORMANCE_BACKEND
ifeq ($(CONFORMANCE_BACKEND),ray)
CONFORMANCE_PYTHON := $(RAY)
CONFORMANCE_NEEDS := .venv-ray/.made
else
CONFORMANCE_PYTHON := $(DEV)
CONFORMANCE_NEEDS := $(DEVELOPED)
endif
# The suite has its own pytest.ini and conftest.py, so it is run from its own folder.
CONFORMANCE := cd tests/conformance && PYTHONPATH='$(CURDIR)/tests' '$(CURDIR)'/$(CONFORMANCE_PYTHON) -m pytest -q \
  -p conformance_selection --conformance-selection='$(CURDIR)/tests/conformance-core.txt'
FUZZTIME ?= 1200

.PHONY: help demo test test-go test-py test-cluster conformance conformance-grpcio conformance-ray conformance-cluster compat lint lint-go lint-py proto proto-check bench bench-cluster bench-peers bench-plots fuzz fuzz-short soak million audit lock build clean

help: ## print this list
	@echo 'make <target>:'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

# ------------------------------------------------------------------------------------------------ build

build: $(CORE) build/.compiled ## build mobula-core (static, no cgo) into the package

$(CORE): $(GO_SOURCES) packaging/core_binary.py
	$(need_python)
	$(need_go)
	@echo 'building mobula-core'
	@$(PYTHON) packaging/core_binary.py

# As pip does where it installs. Without it, and with PYTHONDONTWRITEBYTECODE, each driver and each zygote of a test or a
# benchmark compiles the package anew: a fifth of a second each, and twice the time to a first result.
build/.compiled: $(filter %.py,$(PY_SOURCES))
	$(need_python)
	@mkdir -p $(@D)
	@$(PYTHON) -m compileall -q python/mobula
	@touch $@

.venv/.made: $(CORE) $(PY_SOURCES) $(PACKAGING)
	$(need_python)
	@[ -x $(USER) ] && [ .venv/pyvenv.cfg -nt pyproject.toml ] || { $(call new_venv,.venv); }
	@echo 'installing mobula into .venv'
	@$(call pip,.venv) .
	@touch $@

# What is installed is what packaging/dev.lock names, by hash; the package itself is built by what came from there. Where the
# environment is there already only what differs is fetched.
.venv-dev/.made: pyproject.toml packaging/hatch_build.py packaging/dev.lock | $(CORE)
	$(need_python)
	@[ -x $(DEV) ] || { $(call new_venv,.venv-dev); }
	@echo 'installing mobula (editable) and its test tools into .venv-dev'
	@$(call pip,.venv-dev) --require-hashes --requirement packaging/dev.lock
	@$(call pip,.venv-dev) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

# Not made again for each change of this file: only when another release of Ray is wanted.
.venv-ray/.made: Makefile
	$(need_python)
	@if ! [ -e $@ ] || [ "$$($(RAY) -c 'from importlib.metadata import version; print(version("ray"))')" != '$(RAY_VERSION)' ]; then \
	  $(call new_venv,.venv-ray); \
	  echo 'installing ray $(RAY_VERSION) and the test tools into .venv-ray'; \
	  $(call pip,.venv-ray) 'ray[default]==$(RAY_VERSION)' pytest pytest-timeout numpy pandas pyarrow psutil; \
	fi
	@touch $@

.venv-plots/.made: Makefile
	$(need_python)
	@$(call new_venv,.venv-plots)
	@echo 'installing matplotlib into .venv-plots'
	@$(call pip,.venv-plots) 'matplotlib>=3.9'
	@touch $@

# ------------------------------------------------------------------------------------------------ run

demo: .venv/.made ## build everything and run examples/scan_tree.py (TREE=/some/folder to scan another one)
	@$(USER) examples/scan_tree.py $(if $(TREE),'$(TREE)')

bench: $(DEVELOPED) .venv-ray/.made ## the microbenchmarks, on mobula and on real Ray in turn (ARGS='--rounds 1')
	@$(DEV) tests/bench/compare.py --python-a $(DEV) --backend-a mobula --python-b $(RAY) --backend-b ray $(ARGS)

bench-cluster: $(DEVELOPED) .venv-ray/.made ## mobula's driver and the stock driver on the same stock workers (ARGS='--rounds 1')
	@$(DEV) tests/bench/cluster.py $(ARGS)

bench-peers: $(DEVELOPED) ## the standard library's process pools in turn with mobula (ARGS='--rounds 3')
	@$(DEV) tests/bench/peers.py $(ARGS)

bench-plots: $(DEVELOPED) .venv-plots/.made ## how costs grow with tasks, actors, refs and bytes: docs/growth.json and .svg
	@$(DEV) tests/bench/growth.py --json docs/growth.json $(ARGS)
	@.venv-plots/bin/python tests/bench/plots.py docs/growth.json docs/growth.svg

# ------------------------------------------------------------------------------------------------ test

# Lint beside the environments, and then two parts at a time: most of what they test waits (for processes, time limits, SIGKILL), so that one alone
# leaves more than half of two processors idle. The longest first, and last what is only as good as the time it gets. What a part says
# is shown when it has ended; one that fails does not hide what the others would say. JOBS=1: one after the other.
PARTS := test-py test-go conformance test-cluster conformance-grpcio fuzz-short
JOBS ?= 2

test: .venv/.made ## everything that has to pass: lint, fresh generated code, Go and Python tests, conformance, stock clusters
	@rm -rf $(LOGS); mkdir -p $(LOGS); failed=; \
	$(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) --output-sync=target lint proto-check .venv-dev/.made .venv-ray/.made || \
	  failed=' lint, proto-check or an environment'; \
	$(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) --output-sync=recurse $(PARTS:%=part-%) || true; \
	for part in $(PARTS); do [ -e $(LOGS)/$$part.passed ] || failed="$$failed $$part"; done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; else echo 'everything passed'; fi; \
	.ci/summaries $(LOGS); \
	[ -z "$$failed" ]

part-%:
	@since=$$SECONDS; $(MAKE) --no-print-directory $*; touch $(LOGS)/$*.passed; echo "$*: $$((SECONDS - since)) s"

# Some start real worker processes, which import the package's dependencies.
test-go: .venv-dev/.made build/.compiled ## Go tests, with -race where a C compiler is
	$(need_go)
	@mkdir -p $(LOGS)
	@echo "$(if $(HAVE_CC),Go tests with the race detector,Go tests WITHOUT the race detector: it needs a C compiler and there is none)"
	@MOBULA_TEST_PYTHON='$(CURDIR)/$(DEV)' $(GO_TEST) -timeout 10m ./... 2>&1 | tee $(LOGS)/go.log
	@go test -tags faults ./coreworker/faults

test-py: $(DEVELOPED) ## Python tests: unit, across processes, examples, beyond Ray
	@mkdir -p $(LOGS)
	@echo 'Python tests'
	@$(DEV) -m pytest -q $(or $(ARGS),--ignore=tests/cluster) 2>&1 | tee $(LOGS)/python.log

conformance: $(CONFORMANCE_NEEDS) ## the cases that real Ray passes too (tests/conformance-core.txt says which)
	@mkdir -p $(LOGS)
	@echo 'conformance cases on $(CONFORMANCE_BACKEND)'
	@{ $(CONFORMANCE) $(ARGS); } 2>&1 | tee $(LOGS)/conformance-$(CONFORMANCE_BACKEND).log

conformance-grpcio: $(CONFORMANCE_NEEDS) ## the cancellation cases through stock grpcio, without flags in shared memory
	@mkdir -p $(LOGS)
	@echo 'cancellation cases through stock grpcio'
	@{ MOBULA_TRANSPORT=grpcio; export MOBULA_TRANSPORT; $(CONFORMANCE) -k test_cancel_ $(ARGS); } 2>&1 | tee $(LOGS)/conformance-grpcio.log

# Who names the interpreter wants no test skipped.
test-cluster: $(DEVELOPED) .venv-ray/.made ## as a driver of stock Ray clusters, which it starts: one node, and two
	@mkdir -p $(LOGS)
	@echo 'tests on stock Ray clusters'
	@MOBULA_TEST_RAY_PYTHON='$(CURDIR)/$(RAY)' $(DEV) -m pytest -q tests/cluster $(ARGS) 2>&1 | tee $(LOGS)/cluster.log

conformance-ray: ## the same cases on real Ray
	@$(MAKE) --no-print-directory conformance CONFORMANCE_BACKEND=ray

conformance-cluster: $(DEVELOPED) .venv-ray/.made ## the same cases with mobula as the driver of stock workers (ARGS=test_task_calls.py)
	@mkdir -p $(LOGS)
	@echo 'conformance cases on stock Ray clusters'
	@{ cd tests/conformance && CONFORMANCE_BACKEND=mobula_on_stock PYTHONPATH='$(CURDIR)/tests' '$(CURDIR)'/$(DEV) -m pytest -q \
	  -p conformance_selection --conformance-selection='$(CURDIR)/tests/conformance-cluster.txt' $(ARGS); } 2>&1 | tee $(LOGS)/conformance-cluster.log

compat: $(DEVELOPED) .venv-ray/.made ## Ray's own Python files on top of mobula, as docs/compat.md tells of them
	@$(DEV) tests/compat/rays_own_files.py .venv-ray

fuzz: ## every Go fuzz target for FUZZTIME seconds (1200) each, several at once (ARGS='--only FuzzConn')
	$(need_python)
	$(need_go)
	@$(PYTHON) tests/fuzz/fuzz_all.py --each $(FUZZTIME) $(ARGS)

soak: $(DEVELOPED) ## mixed work under random kills, 20 minutes, then a table (ARGS='--minutes 1 --seed 7')
	@$(DEV) tests/soak/soak.py $(ARGS)

million: $(DEVELOPED) ## a million tasks queued at once: what they need, and that each runs (ARGS='--tasks 100000')
	@$(DEV) tests/soak/million.py $(ARGS)

.PHONY: sizes
sizes: $(DEVELOPED) ## values of one byte to two gigabytes around every edge; needs nine gigabytes (ARGS='--most 300000000')
	@$(DEV) tests/soak/sizes.py $(ARGS)

.PHONY: faults
faults: .venv-dev/.made build/.compiled ## the core with each of its points failing in turn, some minutes (ARGS='--scenario calls --action lose')
	$(need_go)
	@$(DEV) tests/fault_points/loop.py "$$($(DEV) tests/fault_points/faulty_core.py)" $(ARGS)

# For Linux, and all versions of Python that the package supports. A test compares it with pyproject.toml.
lock: ## choose the newest versions of what .venv-dev has and pin them with their hashes in packaging/dev.lock (needs uv)
	@command -v uv >/dev/null || { echo 'error: no `uv` on PATH, which resolves for all Pythons at once: pip install uv' >&2; exit 1; }
	@uv pip compile pyproject.toml packaging/dev.in --extra test --extra dev --universal --python-version 3.10 --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make lock' --upgrade --quiet --output-file packaging/dev.lock

# It asks databases on the network, so it is no part of `make test`.
audit: ## known vulnerabilities of the dependencies, by govulncheck and pip-audit; says so where it could not ask
	$(need_python)
	$(need_go)
	@[ -x .venv-audit/bin/pip-audit ] || { $(call new_venv,.venv-audit) && $(call pip,.venv-audit) pip-audit; }
	@$(PYTHON) packaging/audit.py .venv-audit/bin/pip-audit

# Together three minutes on two processors, half of them for building.
fuzz-short: ## every Go fuzz target for some seconds: 12 what is written by hand and read from strangers, 4 the others
	$(need_python)
	$(need_go)
	@mkdir -p $(LOGS)
	@echo 'fuzz targets'
	@$(PYTHON) tests/fuzz/fuzz_all.py 2>&1 | tee $(LOGS)/fuzz.log

lint: lint-go lint-py ## gofmt, go vet, staticcheck, ruff, mypy --strict, import directions

lint-go:
	$(need_go)
	@echo 'lint: gofmt, go vet, staticcheck'
	@unformatted=$$(gofmt -l $(GO_DIRS)); [ -z "$$unformatted" ] || { echo "error: run gofmt -w on: $$unformatted" >&2; exit 1; }
	@go vet ./...
	@go tool staticcheck ./...
	@go vet -tags faults ./coreworker/faults ./pyshim && go tool staticcheck -tags faults ./coreworker/faults ./pyshim

lint-py: .venv-dev/.made
	@mkdir -p $(LOGS)
	@echo 'lint: ruff, mypy, import directions'
	@{ .venv-dev/bin/ruff check . && .venv-dev/bin/ruff format --check . && .venv-dev/bin/mypy && $(DEV) -m pytest -q tests/unit/test_architecture.py; } 2>&1 | tee $(LOGS)/lint.log

proto: ## generate the Go and Python code of proto/*.proto
	@proto/generate.sh

proto-check: ## fail where the generated code is not fresh
	@proto/generate.sh --check

clean: ## remove what was built, the environments included
	rm -rf build dist .venv .venv-dev .venv-ray .venv-audit .venv-plots .tools python/mobula/bin .pytest_cache .mypy_cache .ruff_cache
	find python tests examples packaging -name __pycache__ -type d -prune -exec rm -rf {} +
