# `make` alone lists what there is. PYTHON=python3.12 make test takes another Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
BENCH := .venv-bench
COMPILED := build/compiled
RIVALS := tests/benchmarks/rivals.txt

# Each becomes an option: make fuzz SEED=2 MINUTES=5
FUZZ := $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)
# make chaos SEED=2 MINUTES=5 BROKERS=3 SECURE=1
CHAOS := $(FUZZ) $(if $(BROKERS),--brokers $(BROKERS)) $(if $(SECURE),--secure)
# Each becomes an option of the demo: make demo MESSAGES=200000 KEEP=1
DEMO := $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(USERS),--users $(USERS)) \
        $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep) $(ARGS)

# make roll MINUTES=5 SECURE=1 BEFORE=v1.0.0
ROLL := --roll $(FUZZ) $(if $(SECURE),--secure)
# What the workers were before: the last release, and until there is one the commit before it was tried.
BEFORE ?= $(shell git describe --tags --abbrev=0 2>/dev/null || echo e00005a)

# make simulate SEEDS=1000 JOBS=2
SIMULATE := $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST)) \
            $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

# A file is for one process, and they are begun in the order of tests/longest_first.py. More processes
# than two cores, because many tests wait.
PROCESSES ?= 7
TEST := $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Each of the hundred processes that tests start would compile all our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-often live check boards bench chaos roll versions simulate \
        compiled fuzz clean

help:
	@echo "make demo    mParticle to Sailthru and AB Tasty, all on this machine"
	@echo "             (MESSAGES=, USERS=, SEED=, KEEP=1, or ARGS= for any option)"
	@echo "make test    the tests, in seven processes that share one Kafka (PROCESSES=; ARGS= for pytest:"
	@echo "             files to run, or -n 0 --pdb to debug in one process)"
	@echo "make test-long   what is proved once and need not be each time, such as how stock Faust"
	@echo "             loses records: the tests marked long (ARGS= as above)"
	@echo "make test-often  make test RUNS= times, and the log of each run that was red is kept: a"
	@echo "             JSON line (LOAD=1: beside busy loops on all cores)"
	@echo "make live    each fault alone under a real Prometheus, and the alerts that it raises: ten"
	@echo "             minutes (needs Debian's package prometheus; make test has all in one go)"
	@echo "make check   lint, format, types, imports"
	@echo "make boards  grafana/dashboards, from grafana/boards"
	@echo "make bench   benchmarks against rivals, about a quarter of an hour"
	@echo "             (ONLY=P1,P2 for some of them, COMPILE=1 of what make compiled has made, or ARGS="
	@echo "             for any option)"
	@echo "make chaos   everything killed, frozen and cut off in turn, and an oracle that judges:"
	@echo "             a JSON line, 12 minutes (SEED=, MINUTES=, BROKERS=3, SECURE=1 for TLS, logins"
	@echo "             and least rights, or ARGS= for any option)"
	@echo "make roll    three brokers, one lost and all restarted in turn under traffic, then all workers"
	@echo "             exchanged for the version before and back (BEFORE=, MINUTES=, SECURE=1)"
	@echo "make versions  docs/kafka-versions.md: each Kafka with all workers on it (VERSIONS=\"3.9.1\")"
	@echo "make simulate  whole workers on simulated time and network, SEEDS= schedules of faults from"
	@echo "             as many seeds, judged: a JSON line (FIRST=, JOBS=; ARGS=\"--seed 7 --log\""
	@echo "             tells one again); when stopped, it goes on where it was"
	@echo "make fuzz    hostile shapes at router and receiver, with bounds on memory, time and outcome:"
	@echo "             a JSON line, a minute (MINUTES=, SEED= to repeat a finding, or ARGS=)"
	@echo "make compiled  the mapping compiled to C (in build/compiled), held to its tests and, message by"
	@echo "             message, to what the source does with bent messages (SEEDS=, 5,000 each)"
	@echo "make clean   remove the virtual environments, caches and what was built"

demo: $(READY)
	@$(BIN)/mparticle-streams demo $(DEMO)

test: $(READY)
	@$(TEST) -m "not long" $(ARGS)

test-long: $(READY)
	@$(TEST) -m long $(ARGS)

test-often: $(READY)
	@$(BIN)/python -m tests.often $(if $(RUNS),--runs $(RUNS)) $(if $(LOAD),--load) -- \
	    $(TEST) -m "not long" $(ARGS)

# By name: pytest does not collect it on its own.
live: $(READY)
	@$(BIN)/pytest tests/grafana/live/each_alone.py $(ARGS)

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

boards: $(READY)
	@$(BIN)/python -m grafana.boards

bench: $(BENCH)/ready
	@cd $(if $(COMPILE),$(COMPILED),.) && $(CURDIR)/$(BENCH)/bin/python -m tests.benchmarks \
	    $(if $(ONLY),--only $(ONLY)) $(ARGS)

chaos: $(READY)
	@$(BIN)/python -m tests.chaos $(CHAOS)

roll: $(READY)
	@$(BIN)/python -m tests.chaos $(ROLL) --before $(BEFORE)

versions: $(READY)
	@$(BIN)/python -m tests.versions $(VERSIONS)

simulate: $(READY)
	@$(BIN)/python -m tests.simulation --kept build/simulation $(SIMULATE)

# In a copy, or whatever runs here would run it. The same copy tells first what the source does.
compiled: $(READY)
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	@git ls-files | tar --create --files-from - | tar --extract --directory $(COMPILED)
	@sed -n 's/^requires = \["\(setuptools==.*\)"\]$$/\1/p' pyproject.toml | \
	    xargs $(BIN)/pip install --quiet --disable-pip-version-check
	@cd $(COMPILED) && $(OUTCOMES) > ../outcomes
	@cd $(COMPILED) && MPARTICLE_STREAMS_COMPILE=1 $(CURDIR)/$(BIN)/python setup.py --quiet build_ext \
	    --inplace
	@cd $(COMPILED) && $(OUTCOMES) | cmp - ../outcomes
	@wc -l build/outcomes
	@cd $(COMPILED) && $(CURDIR)/$(BIN)/python -m pytest -n 0 -q tests/agents/router tests/models

OUTCOMES = $(CURDIR)/$(BIN)/python -m tests.agents.router.outcomes $(if $(SEEDS),--seeds $(SEEDS))

fuzz: $(READY)
	@$(BIN)/python -m tests.fuzz $(FUZZ)

# Makes a virtual environment at the pinned versions.
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed: install it, or name it with PYTHON=..." >&2; exit 1; }
	@echo "Setting up $(1), about a minute the first time ..."
	@$(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[sandbox,dev]'
endef

$(READY): pyproject.toml constraints.txt
	$(call environment,$(VENV))
	@# Once, or each of the processes that share the tests compiles all of them.
	-@$(BIN)/pytest --collect-only --quiet >/dev/null
	@touch $@

# One of its own, because what the rivals need contradicts what we have.
$(BENCH)/ready: pyproject.toml constraints.txt $(RIVALS)
	$(call environment,$(BENCH))
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check \
	    --no-deps --requirement $(RIVALS)
	@touch $@

clean:
	@rm -rf $(VENV) .venv-newest $(BENCH) build *.egg-info .sandbox .mypy_cache .ruff_cache .pytest_cache \
	    .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
