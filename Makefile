# The workshop. All it needs is make and a Python 3.11 or newer; everything else it brings into .tools and .venv.

PYTHON  ?= python3
TARGET  ?= process
BACKEND ?= embedded
WORKERS ?= 4
ARGS    ?=
ONLY    ?=

ROOMS := proto backends services/courier services/gateway services/scheduler cli
BIN   := .venv/bin
OWN   := $(if $(shell uv --version 2>/dev/null),,.tools/bin/uv)
UV    := $(or $(OWN),uv)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench docs dist courier-executable lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-25s %s\n' "$$name" "$$text"; done

# ---------------------------------------------------------------------------- set-up
setup: .venv/.ready ## the environment, from requirements.lock; a second time costs nothing

.tools/bin/uv:
	@echo "setup: bringing uv into .tools"
	@$(PYTHON) -m venv .tools || { echo "setup: $(PYTHON) cannot make environments (Debian: apt-get install python3-venv)"; exit 1; }
	@.tools/bin/pip install -qq --disable-pip-version-check 'uv>=0.13,<0.14'

# The rooms are built with uv_build from the lock, not with one fetched unpinned into a build environment.
.venv/.ready: requirements.lock $(ROOMS:%=%/pyproject.toml) | $(OWN)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "setup: Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(UV) venv --quiet --clear --no-python-downloads --python "$$(command -v $(PYTHON))" .venv
	@echo "setup: installing requirements.lock and the six rooms into .venv"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(ROOMS:%=--editable %)
	@touch $@

lock: | $(OWN) ## write requirements.lock anew from every pyproject.toml
	@$(UV) pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" \
	  $(patsubst %,--no-emit-package=concierge-%,$(notdir $(ROOMS))) --quiet --output-file requirements.lock

# ---------------------------------------------------------------------------- the demo
# Real servers are started only for what asks for them, and no Docker Engine where one runs already.
STARTED = $(filter zabbix% prometheus,$(BACKEND)) \
          $(if $(filter compose swarm,$(TARGET)),$(if $(shell docker version >/dev/null 2>&1 && echo up),,docker))
WITH    = $(if $(strip $(1)),$(BIN)/python -m tests.peers run $(2) $(strip $(1)) --)

demo: setup ## the loop, live: TARGET=process|compose|swarm BACKEND=embedded|zabbix|prometheus ARGS="--once --json"
	@$(call WITH,$(STARTED),--require) $(BIN)/concierge demo --target $(TARGET) --backend $(BACKEND) $(ARGS)

# ---------------------------------------------------------------------------- proofs
# Tests named by path and all of them in tests/unit need no server.
PATHS = $(filter tests%,$(ARGS))
ALL   = docker zabbix zabbix60 prometheus
PEERS = $(if $(PATHS),$(if $(filter-out tests/unit%,$(PATHS)),$(ALL)),$(ALL))

test: setup ## all tests on real servers; some: ARGS="tests/unit -k codec"
	@$(call WITH,$(PEERS)) $(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup $(ARGS)

# A tool that is content says nothing.
SHOW = said=$$($(1) 2>&1) || { echo "$$said"; exit 1; }

CHECKS := check-format check-lint check-types check-laws check-dependencies check-house
.PHONY: $(CHECKS)
check: $(CHECKS) ## format, lint, types, import laws, dependencies, links; all of them in spite of a red one: make -k check

check-format: setup
	@echo "check: format"
	@$(call SHOW,$(BIN)/ruff format --check)

check-lint: setup
	@echo "check: lint"
	@$(call SHOW,$(BIN)/ruff check)

check-types: setup
	@echo "check: types"
	@$(call SHOW,$(BIN)/mypy)

check-laws: setup
	@echo "check: import laws"
	@$(call SHOW,$(BIN)/lint-imports)

check-dependencies: setup
	@echo "check: dependencies of each room"
	@failed=0; for room in $(ROOMS); do \
	  ($(call SHOW,$(BIN)/deptry $$room/src --config $$room/pyproject.toml)) || failed=1; \
	done; exit $$failed

check-house: setup
	@echo "check: links, pages, each room alone"
	@$(call SHOW,$(BIN)/pytest --quiet tests/unit/house)

docs: setup ## write the generated pages and the golden files anew
	@REGENERATE=1 $(BIN)/pytest --quiet tests/unit

bench: setup ## the figures; one of them: ONLY=name
	@$(BIN)/python -m benchmarks $(ONLY)

# ---------------------------------------------------------------------------- shipping
wheels = for room in $(1); do \
  $(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir $(2) $$room || exit 1; done

dist: setup ## the wheels of all rooms, in dist/
	@rm -rf dist
	@$(call wheels,$(ROOMS),dist)

courier-executable: build/courier/concierge-courier ## the courier in one file, for images without Python: build/courier/

# In an environment of its own: what is installed there is what goes into the file.
SHIP   := build/courier
INSIDE := $(UV) pip install --quiet --python $(SHIP)/env/bin/python
$(SHIP)/concierge-courier: Makefile requirements.lock $(shell find proto/src services/courier/src -name '*.py') | setup
	@echo "courier: making $@"
	@rm -rf $(SHIP)/wheels
	@$(call wheels,proto services/courier,$(SHIP)/wheels)
	@awk '/^[a-z]/ {ours = /^(msgspec|nats-py)==/} ours' requirements.lock > $(SHIP)/requirements.txt
	@$(UV) venv --quiet --clear --python $(BIN)/python $(SHIP)/env
	@$(INSIDE) --require-hashes --requirement $(SHIP)/requirements.txt
	@$(INSIDE) --no-index $(SHIP)/wheels/*.whl
	@$(INSIDE) 'pyinstaller>=6.22,<6.23'
	@$(SHIP)/env/bin/pyinstaller --onefile --strip --optimize 2 --noconfirm --log-level ERROR --name concierge-courier \
	  --collect-submodules concierge_courier --collect-submodules concierge_proto \
	  --distpath $(SHIP) --workpath $(SHIP)/work --specpath $(SHIP)/work services/courier/src/concierge_courier/frozen.py

clean: ## remove all that make has made
	@rm -rf .venv .tools build dist uv.lock .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
