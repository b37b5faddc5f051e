# Two commands for a newcomer: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_STATE := .demo
AIRFLOW := .venv-airflow

.PHONY: demo test lint types check clean lock lock-airflow airflow-test sample

$(VENV)/.done: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(VENV)/.done  ## the main job on data/sample/ against the built-in stand-in
	rm -rf $(DEMO_STATE)
	$(BIN)/clickreplay run jobs/shop.yaml --state $(DEMO_STATE)

test: $(VENV)/.done  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.done  ## ruff, and the one way through the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.done  ## mypy --strict
	$(BIN)/mypy --strict etl schemas

check: lint types test  ## what CI runs

sample: $(VENV)/.done  ## make data/sample anew
	$(BIN)/python data/sample/generate.py

lock:  ## pin the newest versions that pyproject.toml allows: names, versions and hashes only
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --upgrade --output-file requirements.lock

lock-airflow:  ## the same for Airflow's environment, with what requirements.lock pins
	uv pip compile pyproject.toml --extra airflow --constraint requirements.lock --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade --output-file requirements-airflow.lock

$(AIRFLOW)/.done: requirements-airflow.lock
	$(PYTHON) -m venv $(AIRFLOW)
	$(AIRFLOW)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-airflow.lock
	touch $@

airflow-test: $(VENV)/.done $(AIRFLOW)/.done  ## the operator, as its wheel, under a real Airflow: some minutes
	rm -rf build $(AIRFLOW)/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $(AIRFLOW)/wheel .
	$(AIRFLOW)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall $(AIRFLOW)/wheel/*.whl
	CLICKREPLAY_AIRFLOW=1 $(BIN)/python -m pytest tests/airflow

clean:
	rm -rf $(VENV) $(AIRFLOW) $(DEMO_STATE) .mypy_cache .ruff_cache .pytest_cache
