# make demo   films, curates, captions, trains and samples on synthetic footage (installs into .venv first)
# make test   the tests that take seconds each; make test-all adds the slow ones
# make coverage  measures anew which lines and branches of each package its tests run, slowly; PACKAGE=vae for one
# make lint   ruff, mypy, import rules
# make mutate MODULE=dit/guidance.py   plants small faults in a module, one by one, and says which no test notices
# make evidence  what the papers claim, tried with three seeds each: hours; run again, it goes on (EVIDENCE_ARGS='--steps 100')
# make docs   the pages of docs/, strictly, into runs/site; make pictures draws their pictures from the demo's output
# Every target installs what it needs, once; VENV=... and PYTHON=... choose where and with what.

VENV ?= .venv
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
DEMO ?= runs/demo
PYTEST_ARGS ?=
# one test process per core, at most four (each may start a Ray of its own); TEST_WORKERS=0 for one process
TEST_WORKERS ?= logical
# asserts are rewritten and compiled once, and kept: that takes each worker as long as half a minute's tests
PYTEST = env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/python -m pytest -n $(TEST_WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	--durations 10
STAMP = $(VENV)/.installed
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --no-input install -qq
PIN = $$(sed -n 's/^$(1)==/$(1)==/p' constraints.txt)

.DEFAULT_GOAL := help
EVIDENCE ?= runs/evidence
EVIDENCE_ARGS ?=
.PHONY: help install demo test test-all coverage mutate evidence lint format docs pictures clean

help:
	@sed -n 's/^# //p' Makefile | head -8

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "filmstock needs Python 3.11 or newer on PATH, or PYTHON=/path/to/it"; exit 2; }
	@echo "installing into $(VENV): a few minutes, once"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "  1/3 torch"
	@$(PIP) "$(call PIN,torch)"
	@echo "  2/3 torchvision"
	@$(PIP) --no-deps "$(call PIN,torchvision)"
	@echo "  3/3 everything else"
	@$(PIP) -c constraints.txt -e '.[test]'
	@touch $@
	@echo "installed"

demo: $(STAMP)
	@$(VENV)/bin/filmstock demo --out $(DEMO)

test: $(STAMP)
	@$(PYTEST) $(PYTEST_ARGS)

test-all: $(STAMP)
	@$(PYTEST) -m '' $(PYTEST_ARGS)

coverage: $(STAMP)
	@$(VENV)/bin/python -c 'import pytest_cov' 2>/dev/null || $(PIP) -c constraints.txt 'pytest-cov>=6'
	@TEST_WORKERS=$(TEST_WORKERS) $(VENV)/bin/python tests/coverage/measure.py $(PACKAGE)

mutate: $(STAMP)
	@$(VENV)/bin/python -c 'import mutmut' 2>/dev/null || $(PIP) -c constraints.txt 'mutmut>=3.8'
	@$(VENV)/bin/python tests/mutation/run.py $(MODULE)

evidence: $(STAMP)
	@$(VENV)/bin/python -m benchmarks.evidence --scratch $(EVIDENCE) $(EVIDENCE_ARGS)

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: $(STAMP)
	@$(VENV)/bin/python -c 'import mkdocs, mkdocstrings' 2>/dev/null || $(PIP) -c constraints.txt -e '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict --quiet
	@echo "see runs/site/index.html"

pictures: demo
	@$(VENV)/bin/python docs/pictures/draw_view.py $(DEMO)
	@$(VENV)/bin/python docs/pictures/draw_verbs.py
	@$(VENV)/bin/python docs/pictures/draw.py $(DEMO)

format: $(STAMP)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV)
