.DEFAULT_GOAL := help
SHELL := /bin/bash
EXAMPLE := examples/portrait_gallery
BENCHMARKS := $(filter-out _% whole_job_by_hand,$(basename $(notdir $(wildcard benchmarks/*.py))))

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

# Spark's client brings pandas, which every start would pay for, so its tests have an environment of
# their own. All of the library is covered where all servers are there: in CI.
SPARK_TESTS := tests/storage/engines/test_spark.py src/collectionflow/storage/engines/spark.py \
	docs/how-to/use-spark.md $(EXAMPLE)/tests/test_engines.py

test: setup ## Run all tests; those whose server cannot be started are left out, except in CI
	$(UV) run --locked --isolated --group spark pytest --cov --cov-report= --cov-fail-under=0 $(SPARK_TESTS)
	$(UV) run --locked pytest --cov --cov-append --cov-report=term --cov-fail-under=$(if $(CI),100,0)

lint: setup ## Check style, format and types
	$(UV) run --locked ruff check
	$(UV) run --locked ruff format --check
	$(UV) run --locked ty check src examples benchmarks tests

docs: setup ## Build the documentation into site/
	$(UV) run --locked mkdocs build --strict

bench: setup ## Run the benchmarks: all of them, which takes hours, or ONLY="shell csv_files"
	@for each in $(or $(ONLY),$(BENCHMARKS)); do UV_COMPILE_BYTECODE=1 $(UV) run --locked --isolated --no-default-groups --group bench python benchmarks/$$each.py || exit 1; done

.PHONY: help setup demo ui test lint docs bench
