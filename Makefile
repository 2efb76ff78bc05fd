# Assay. `make help` lists what there is; `make demo` is the place to start.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Several targets share one environment and one set of servers.
.NOTPARALLEL:

PY := .venv/bin/python
LOCK := .venv/bin/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.lock

##@ Start here

.PHONY: help setup demo dev
help: ## this list
	@awk 'BEGIN {FS = ":.*## "; printf "usage: make <target>\n"} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z-]*:.*## / {printf "  %-11s %s\n", $$1, $$2}' Makefile

demo: setup ## set up, start local mode, run two example agents, leave the server running
	@$(PY) -m deploy.local.demo

dev: setup ## set up, then run everything here until Ctrl-C (assay dev)
	@$(PY) -m deploy.local

setup: ## install what is missing; does nothing when all is there
	@deploy/setup/run

##@ While working

.PHONY: test test-ecs audit fuzz check bench docs page screenshots
test: setup ## all tests (ARGS="-k name -x" goes to pytest)
	@code=0; $(PY) -m pytest $(ARGS) || code=$$?; echo "TEST_EXIT=$$code"; exit $$code

test-ecs: setup ## the tests in real containers, with ECS emulated; fails where they cannot run (make test skips them)
	@code=0; ASSAY_TEST_ECS=required $(PY) -m pytest tests/ecs $(ARGS) || code=$$?; echo "TEST_EXIT=$$code"; exit $$code

audit: setup ## pins, licences, and known vulnerabilities by a database that is given (ADVISORIES=FOLDER, ZIP or online)
	@$(PY) -m deploy.audit "$(ADVISORIES)"

fuzz: setup ## the fuzz tests with 1,000,000 inputs in all (EXAMPLES=20000: fewer; ARGS="-k archive" goes to pytest)
	@ASSAY_FUZZ_EXAMPLES=$(or $(EXAMPLES),1000000) $(PY) -m pytest tests/security/test_fuzz_*.py $(ARGS)

check: setup ## lint, format, types, import rules, generated docs and files
	@$(PY) -m deploy.setup.check

bench: setup ## the figures of the benchmark, one JSON line each (ARGS=... goes to it)
	@$(PY) -m tests.bench $(ARGS)

docs: setup ## write the generated pages of docs/ anew, and the files that are joined from modules (deploy/setup/join.py)
	@$(PY) docs/generate.py
	@$(PY) -m deploy.setup.join

page: setup ## build the page of the console where its sources changed; set-up does it, too, where it can
	@$(PY) -m deploy.setup.page

screenshots: page ## the pictures of the console in docs/images, from a real run
	@$(PY) -m tests.e2e.console.screenshots $(ARGS)

##@ Now and then

.PHONY: proto lock clean
proto: ## build the Python stubs of proto/
	@$(PY) proto/build.py

lock: ## choose versions anew within pyproject.toml and write requirements.lock (UPGRADE=1: the newest)
	@$(LOCK) $(if $(UPGRADE),--upgrade,)
	@echo "requirements.lock is written; \`make setup\` installs it"

clean: ## remove what was built or cached; keeps .venv, .tools and the data of local mode in .assay
	@find . \( -name .venv -o -name .tools -o -name .assay -o -name node_modules -o -name .git \) -prune \
	  -o -type d \( -name __pycache__ -o -name '*.egg-info' \) -print0 | xargs -0 -r rm -rf
	@rm -rf client/assay/v1 build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@rm -rf services/console/web/dist services/console/web/src/gen
