# Everything a person types. `make help` lists it; CI calls `make test` and nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Where the environment forbids Python to keep its bytecode, every process compiles all that it imports once more.
unexport PYTHONDONTWRITEBYTECODE
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/holdfast/__init__.py)
UV := $(shell command -v uv || echo .tools/bin/uv)
RUN := $(UV) run --frozen --all-extras
PYTEST := $(RUN) pytest
CLUSTER := python3 -m tests.cluster
# Whose line it is, where two targets write at once.
NAMED = $(if $(SIDE_BY_SIDE),| sed --unbuffered "s/^/$@  /")
FAST := tests/unit tests/stores tests/chart
MYSQL_IMAGES := runner-mysql test-mysql runner-mariadb test-mariadb
# What images, charts and tests need of the test cluster: the daemon, the KUBECONFIG, helm and kubectl on the PATH.
WITH_CLUSTER := eval "$$($(CLUSTER) env)" &&

##@ Try it
demo: sync ## From nothing to a finished, verified backup on a local cluster, with live progress; then a schedule
	$(RUN) python -m tests.demo up

demo-down: sync ## Remove all that the demo made, its cluster included
	$(RUN) python -m tests.demo down

##@ Test
# Containers and cluster mostly wait, each for its own servers: side by side they take little more than one of them.
test: check test-unit ## Everything: lint, types, contracts, unit, contract, integration, e2e; on a cluster without a demo
	@$(CLUSTER) up --empty >/dev/null
	$(MAKE) --jobs=2 SIDE_BY_SIDE=yes test-integration test-e2e

test-fast: sync ## What needs no cluster and no containers; about two minutes on two processors
	$(PYTEST) -q --numprocesses=auto --dist=worksteal -m "not integration and not e2e and not matrix" $(FAST)

test-unit: test-fast

# In the order of the files: servers that cost minutes to bring up are shared by what stands together.
test-integration: sync cluster-up images ## The runner's image against real servers in containers; the chart's rendering
	python3 images/build.py runner-postgres test-postgres --suite bookworm
	python3 images/build.py $(MYSQL_IMAGES)
	$(WITH_CLUSTER) $(PYTEST) -p no:randomly --durations=15 -m "integration and not matrix" $(NAMED)

test-e2e: sync cluster-up images ## A whole Holdfast on the cluster, with faults
	$(WITH_CLUSTER) $(PYTEST) -p no:randomly --durations=15 -m "e2e and not matrix" $(NAMED)

matrix: sync cluster-up ## The full product of engines, versions, formats and faults; writes docs/matrix.md
	python3 images/build.py all --suite bookworm --suite trixie --suite sid
	python3 images/build.py $(MYSQL_IMAGES) test-faketime bench
	$(PYTEST) -q --numprocesses=auto --hypothesis-profile=full -m hypothesis tests/unit
	$(WITH_CLUSTER) $(RUN) python -m pytest -p tests.matrix -p no:randomly --matrix-table=docs/matrix.md

soak: sync cluster-up ## Kill the operator at random instants while 20 policies run each minute: SECONDS=600 SEED=7
	$(WITH_CLUSTER) $(RUN) python -m tests.soak --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

mutants: sync ## Put faults into the code, one at a time: which does no test notice? ONLY=decide/outcome.py for one module
	$(RUN) python -m tests.mutants $(ONLY)

bench: sync cluster-up images ## Measure the speed, as ratios of one run; writes .bench/latest.json
	python3 images/build.py $(MYSQL_IMAGES)
	python3 images/build.py bench bench-mysql bench-mariadb
	$(WITH_CLUSTER) $(RUN) python -m tests.bench

bench-operator: sync cluster-up ## Measure the operator with many policies and backups; PARTS="lives sweep" for some; writes .bench/operator.json
	$(WITH_CLUSTER) $(RUN) python -m tests.bench $(or $(PARTS),operator) --output .bench/operator.json

##@ Change it
check: sync ## The gate before a commit: format, lint, types, import contracts, generated files fresh
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) python -m holdfast.api.crd --check .
	$(RUN) python -m holdfast.contract.published --check .
	$(RUN) python -m tests.integration.runner.faults_page --check .
	$(RUN) python -m tests.chart.refresh --check
	@$(RUN) python -m tests.matrix

format: sync ## Format and mend what can be mended
	$(RUN) ruff format
	$(RUN) ruff check --fix

generate: sync ## Write crds/, the chart's copy, its values' schema, the references and the manifest's schema anew from the models
	$(RUN) python -m holdfast.api.crd .
	$(RUN) python -m holdfast.contract.published .
	$(RUN) python -m tests.integration.runner.faults_page .
	$(RUN) python -m tests.chart.refresh

##@ Test cluster
cluster-up: ## Start the test cluster (kind); prints the KUBECONFIG to use
	@$(CLUSTER) up

cluster-status: ## Show what of the test cluster is there
	@$(CLUSTER) status

cluster-down: ## Remove the test cluster and stop what it started
	@$(CLUSTER) down

##@ Images
images: ## Build the operator's and the runner's images, and the stand-ins that tests use
	python3 images/build.py all

push: ## Build, tag and push the images: make push REGISTRY=registry.example.com/holdfast
	@test -n "$(REGISTRY)" || { echo "make push: name the registry: make push REGISTRY=registry.example.com/holdfast" >&2; exit 1; }
	python3 images/build.py operator runner-postgres runner-sqlite runner-mysql runner-mariadb runner-aws --suite bookworm --suite trixie --suite sid --tag $(VERSION) --push $(REGISTRY)

##@ Tools
sync: .venv/.synced ## Install Python's tools into .venv (uv comes from PyPI into .tools where it is absent)

.venv/.synced: uv.lock pyproject.toml | $(filter .tools/bin/uv,$(UV))
	$(UV) sync --quiet --frozen --all-extras
	@touch $@

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo demo-down test test-fast test-unit test-integration test-e2e matrix soak mutants bench bench-operator check format generate cluster-up \
	cluster-status cluster-down images push sync help
