# Everything a developer does, by name. `make` alone lists it.
# Paths are relative throughout, so the checkout may lie in a directory with spaces.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

# Passed on where a target names them.
PORT ?=
ROWS ?=
ARGS ?=

LOCK := $(PY) -m uv pip compile pyproject.toml --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --group build \
	--custom-compile-command "make lock" --cache-dir $(VENV)/.uv-cache --quiet $(UPGRADE)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@echo "Usage: make TARGET [VARIABLE=value]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: $(STAMP) ## Make .venv with pinned, hashed packages (PYTHON=python3.12 picks another Python)
	@echo "$(VENV) is ready"

$(STAMP): requirements-dev.txt pyproject.toml
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
		echo "'$(PYTHON)' was not found. Install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Hesabu needs Python 3.11 or newer; '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1). Name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv module. On Debian and Ubuntu it is a package of its own: apt install python3-venv" >&2; exit 1; }
	@test "$$($(PY) -V 2>/dev/null)" = "$$("$(PYTHON)" -V)" || "$(PYTHON)" -m venv --clear $(VENV)
	@# The lock file is complete, so nothing is resolved: an older pip would look for newer releases of
	@# what is asked for with extras. `pip check` tells if something were missing.
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(PY) -m pip check --disable-pip-version-check
	@touch $(STAMP)

.PHONY: run
run: $(STAMP) ## Run everything in one terminal, with a story to look at (PORT=8000)
	$(if $(PORT),PORT="$(PORT)") $(PY) -m api.cli dev --story

.PHONY: demo
demo: $(STAMP) ## Play the story once in the terminal, and stop
	$(if $(PORT),PORT="$(PORT)") $(PY) -m api.cli dev --story --once

.PHONY: test
test: $(STAMP) ## Run the tests (ARGS='-k payout -x' is passed to pytest)
	@# What measures or loads the whole machine runs by itself, the rest on two cores. With ARGS one of
	@# the two may have nothing to do (status 5).
	$(PY) -m pytest -m "not slow and not alone" -n 2 --dist loadfile $(ARGS) || test "$$?$(if $(ARGS),,!)" = 5
	$(PY) -m pytest -m "alone and not slow" $(ARGS) || test "$$?$(if $(ARGS),,!)" = 5

.PHONY: campaign
campaign: $(STAMP) ## Run the slow tests: crashes, load, large samples
	$(PY) -m pytest -m slow $(ARGS)

.PHONY: campaign-tampering
campaign-tampering: $(STAMP) ## Run only the one that attacks the log as a superuser could, 100 seeds an attack
	$(PY) -m pytest -m slow tests/verify $(ARGS)

.PHONY: coverage
coverage: $(STAMP) ## Run the tests and show the lines and branches they miss
	$(PY) -m pytest -m "not slow" --cov $(ARGS)

.PHONY: lint
lint: $(STAMP) ## Check style, types and the direction of imports
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()"

.PHONY: format
format: $(STAMP) ## Format, and fix what can be fixed safely
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

.PHONY: bench
bench: $(STAMP) ## Measure, print a table, write bench.json (ROWS=name,name for some rows)
	$(PY) -m tests.bench $(if $(ROWS),--rows "$(ROWS)")

.PHONY: docs
docs: $(STAMP) ## Write the generated files under docs/ again
	$(PY) -m api.cli docs

.PHONY: check-generated
check-generated: docs ## Fail if a generated file under docs/ differs from the code
	@git rev-parse --is-inside-work-tree >/dev/null
	@git diff --exit-code -- docs || { \
		echo "docs/ is not what the code generates: run 'make docs' and commit the result." >&2; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard -- docs)" || { \
		git ls-files --others --exclude-standard -- docs >&2; \
		echo "These generated files are not committed." >&2; exit 1; }

.PHONY: lock
lock: ## Compile the lock files again (UPGRADE=--upgrade for newer versions)
	@# Not `$(STAMP)`: a package that was just added to pyproject.toml is in no lock file yet.
	@test -x $(PY) || $(MAKE) install
	$(LOCK) --output-file requirements.txt
	$(LOCK) --extra dev --constraint requirements.txt --output-file requirements-dev.txt

.PHONY: clean
clean: ## Remove .venv, caches and build products; data and keys are left alone
	rm -rf $(VENV) .cache build dist hesabu.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .schemathesis mutants htmlcov bench.json
	rm -f .coverage .coverage.*
	find ledger projections api tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
