# Every command worth typing. `make` or `make help` explains them.
# TESTS= narrows the tests, NAME= chooses a benchmark, ARGS= goes on to the command.

SHELL := bash
UV := $(shell command -v uv || echo .uv/bin/uv)
RUN := $(UV) run --locked --no-sync
TESTS ?= tests
JOBS ?= 2
.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.uv/bin/uv: # brings uv itself where it is absent, into a folder of its own
	python3 -m venv .uv || python3 -m virtualenv .uv
	.uv/bin/pip install --quiet 'uv>=0.9,<1'

.PHONY: install
install: $(filter .uv/bin/uv,$(UV)) ## Install all packages and tools into .venv, as uv.lock says
	@$(UV) sync --locked --all-groups --compile-bytecode --quiet

.PHONY: test
test: install ## Run the fast tests (set up everything first if need be); TESTS=path narrows, JOBS=1 runs one by one
	@$(RUN) pytest -n $(JOBS) --dist loadfile -m "not slow and not gpu" $(TESTS) $(ARGS)

.PHONY: test-all
test-all: install ## Run every test, the slow ones too
	@$(RUN) pytest $(TESTS) $(ARGS)

.PHONY: lint
lint: install ## Check style, imports between packages, types and spelling
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) lint-imports --cache-dir .import_linter_cache
	@$(RUN) pyright
	@$(RUN) codespell

.PHONY: types
types: install ## Check types only
	@$(RUN) pyright

.PHONY: format
format: install ## Format the code and mend what ruff can mend
	@$(RUN) ruff check --fix --quiet . ; $(RUN) ruff format .

.PHONY: hooks
hooks: install ## Have git check style, layers, types and sizes before every commit
	@$(RUN) pre-commit install

.PHONY: bench
bench: install ## Run the benchmarks and print their tables; NAME=bench_face runs one
	@set -e; for script in benchmarks/$(or $(NAME),bench_*).py; do echo "== $$script"; $(RUN) python $$script $(ARGS); done

.PHONY: figures
figures: install ## Draw the pictures of docs/figures again
	@$(RUN) python -m viseme_face.figures docs/figures

.PHONY: clean
clean: ## Remove caches and the environment; keeps runs/ and out/
	rm -rf .venv .uv .pytest_cache .ruff_cache .import_linter_cache .hypothesis
