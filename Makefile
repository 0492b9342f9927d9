# Everything starts here; each target does the set-up it needs, and leaves what is there alone.
#   make test    all checks and tests         make check   linters and types alone (also: make fix)
#   make demo    the whole line, live (KEEP=1 keeps it up at the end)
#   make dashboards  writes dashboards/out from the boards' code
#   make docs    writes the pages of docs that are made from the code: every key, every metric
#   make deploy-test  the image built and run, the unit under a real systemd (some minutes)
#   make bench   sizes, speeds and reads of a broker, beside what they should be: ten minutes;
#                bench-memory: two for memory; bench-peers: eight beside today's agents

PYTHON ?= python3
BIN := .venv/bin

.PHONY: test check fix demo dashboards docs bench bench-memory bench-peers clean python parts soak mutants deploy-test

test: parts-of-tests check
	$(BIN)/pytest -n 2 --dist loadfile $(PYTEST)

check: python
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

fix: python
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

demo: parts
	$(BIN)/python -m tests.demo $(if $(KEEP),--keep)

dashboards: python
	$(BIN)/python -m dashboards

docs: python
	$(BIN)/python -m docs

bench: parts
	$(BIN)/python -m bench sizes speed wire spool groups jmx

bench-memory: parts
	$(BIN)/python -m bench memory

bench-peers: parts-of-tests
	$(BIN)/python -m bench drain cut

# The Python environment from uv.lock; then the jars and programs that tests and demo start.
python:
	@$(PYTHON) -m tests.lab.setup python

parts:
	@$(PYTHON) -m tests.lab.setup

parts-of-tests:
	@$(PYTHON) -m tests.lab.setup tests

clean:
	rm -rf .venv .cache build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find collector dashboards docs tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# Longer runs, beside the tests.
soak: parts
	SOAK_MUTATIONS=100000 $(BIN)/pytest --timeout=3600 tests/unit/jmx/test_mutations.py
	SOAK_AWAY_S=600 $(BIN)/pytest --timeout=3600 tests/real/test_detour.py
	SOAK_KILLS=1000 SOAK_REBALANCES=200 \
		$(BIN)/pytest --timeout=3600 tests/real/test_readers.py
	SOAK_HISTORIES=2000 SOAK_DAMAGES=5000 $(BIN)/pytest --timeout=3600 tests/unit/spool/test_model.py \
		tests/unit/spool/test_damage.py
	SOAK_CUTS=500 SOAK_FLAPS=60 $(BIN)/pytest --timeout=3600 tests/real/test_connection.py -k "f25 or f26"
	SOAK_BROKER_KILLS=200 SOAK_OUTAGE_ROUNDS=80000 $(BIN)/pytest --timeout=3600 tests/real/test_topic_broker_away.py -k "f04 or f05"
	SOAK_KILLS=1000 SOAK_CALLS=25 $(BIN)/pytest --timeout=3600 tests/real/test_kills.py
	SOAK_COORDINATOR_KILLS=200 $(BIN)/pytest --timeout=13000 -rP tests/real/test_coordinator_kills.py
	SOAK_DAYS=30 $(BIN)/pytest --timeout=3600 tests/real/test_days.py

# Planted bugs: each must make the test that it names fail.
mutants: python
	$(BIN)/python -m tests.mutants.run

# The image and the unit, run for real; what they printed last stands in docs/container.md and
# docs/systemd.md.
deploy-test: parts-of-tests
	$(BIN)/pytest -s -p no:randomly --timeout=900 tests/deploy
