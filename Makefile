.DEFAULT_GOAL := help
SHELL := /bin/bash
EXAMPLE := examples/portrait_gallery

export NO_MKDOCS_2_WARNING := 1
UV = $(shell scripts/uv-path)

help: ## Show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

setup: ## Install uv where it is missing, and everything that the other targets need
	@scripts/ensure-uv
	@UV_COMPILE_BYTECODE=1 $$(scripts/uv-path) sync --locked --quiet

demo: setup ## Run the example pipeline on its offline sample
	$(UV) run --locked collectionflow run collection --project $(EXAMPLE)
	@echo
	@echo "Look at a table:       $(UV) run collectionflow inspect object_documents --project $(EXAMPLE)"
	@echo "Look at it in Dagster: make ui"

ui: setup ## Open the example in Dagster's web UI, with the runs of `make demo`
	@mkdir -p $(EXAMPLE)/.dagster
	cd $(EXAMPLE) && DAGSTER_HOME="$$PWD/.dagster" $(UV) run --locked dagster-webserver -m portrait_gallery.definitions

test: setup ## Run all tests
	$(UV) run --locked pytest --cov --cov-report=term

lint: setup ## Check style, format and types
	$(UV) run --locked ruff check
	$(UV) run --locked ruff format --check
	$(UV) run --locked ty check src examples benchmarks tests

docs: setup ## Build the documentation into site/
	$(UV) run --locked mkdocs build --strict

bench: setup ## Run the benchmarks
	@for each in benchmarks/shell.py benchmarks/whole_job.py; do $(UV) run --locked python $$each || exit 1; done

.PHONY: help setup demo ui test lint docs bench
