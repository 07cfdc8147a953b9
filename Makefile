# `make` says what there is. Everything sets up what it needs: a fresh machine has to have make and Python 3.11.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv/bin
TOOLS := dev/cluster dev/images dev/demo
export UV_PYTHON_DOWNLOADS := never

include dev/cluster.mk

.PHONY: help venv generate check lint unit test unit-in-image cluster bench demo demo-down clean

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

venv: .venv/.ready ## make the Python environment, locked by hash
	@:

.venv/.ready: requirements/dev.txt pyproject.toml dev/venv
	@dev/venv

generate: venv ## write what is generated from the models: definitions, reference, chart templates
	@$(VENV)/python -m eagle_contract.generate
	@helm/sync-crds

check: lint unit ## the quick checks, without any cluster (under a minute)

lint: venv
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check --quiet .
	@$(VENV)/mypy
	@MYPYPATH=$(subst $() ,:,$(TOOLS)) $(VENV)/mypy -p localcluster -p localimages -p eagledemo
	@$(VENV)/lint-imports
	@$(VENV)/python -m eagle_contract.generate --check
	@helm/sync-crds --check

unit: venv
	@$(VENV)/pytest tests/unit --quiet -n auto --dist loadfile

# The unit tests use every core; those against the cluster share it, so they run one after the other.
test: venv ## every test, with a real cluster and real images; sets up all of it
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory cluster
	@$(MAKE) --no-print-directory images
	@dev/cluster/cluster tool kwok promtool
	@$(MAKE) --no-print-directory unit-in-image
	@$(VENV)/pytest tests/unit -n auto --dist loadfile
	@$(VENV)/pytest tests/api tests/e2e

unit-in-image: venv ## the unit tests once more, with the Python that the images have
	@dev/images/unit_tests

# The user's cluster comes first.
cluster:
	@case "$${KUBECONFIG:-}" in \
	  ""|"$$(dev/cluster/cluster kubeconfig)") $(MAKE) --no-print-directory cluster-up ;; \
	  *) echo "using the cluster of KUBECONFIG=$$KUBECONFIG" ;; \
	esac

bench: venv ## measure speed, memory and growth
	@dev/cluster/cluster tool kwok
	@$(VENV)/pytest tests/bench

demo: ## two organizations with real data, from nothing to two models in service (about 5 minutes, the first time 15)
	@dev/demo/demo up

demo-down: ## remove what the demo has put into the cluster
	@dev/demo/demo down

clean: ## remove what can be made again, but for the Python environment and the cluster
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
