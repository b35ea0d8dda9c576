# Day 2 of the vLLM course. `make` lists what can be made; nothing needs to be installed for that.
PYTHON ?= python3# the Python that the set-up starts from; everything after it uses .venv's
VENV_PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup course test lab formgrader notebooks bundle check clean grader

help: ## list these targets
	@echo "Day 2: build vLLM, stop inside it, see where the time goes. Targets:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done
	@echo "To learn: make lab. To see it all run by itself: make course. LANE=cpu or LANE=cuda overrules what the machine seems to have."

setup: ## make .venv and install the locked packages; goes on where it was interrupted
	@$(PYTHON) tools/setup.py --lane $(or $(LANE),auto)

grader: ## make .venv-grader: what a grading machine needs, without torch and vLLM
	@$(PYTHON) tools/setup.py --grader

course: setup ## run the whole course: notebooks, solved runs, submissions, grading, report
	@echo "course: build and run the notebooks, grade a reference and an empty submission, write build/report/index.html"
	@$(VENV_PYTHON) -m tools.course $(ARGS)

test: setup ## run the tests, the slow ones included (only fast ones: make test ARGS="-m 'not real'")
	@echo "test: pytest $(ARGS)"
	@$(VENV_PYTHON) -m pytest $(ARGS)

lab: setup ## open the lessons in JupyterLab
	@ls notebooks/*.ipynb >/dev/null 2>&1 || $(MAKE) --no-print-directory notebooks
	@echo "lab: JupyterLab on notebooks/; Ctrl-C here ends it"
	@$(VENV_PYTHON) -m jupyterlab --notebook-dir notebooks $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

formgrader: setup ## open nbgrader's formgrader: JupyterLab on this folder, menu Nbgrader
	@echo "formgrader: menu Nbgrader > Formgrader; Ctrl-C here ends it"
	@$(VENV_PYTHON) -m jupyterlab --notebook-dir . $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

notebooks: setup ## build source/, release/ and notebooks/ from lessons/
	@echo "notebooks: lessons/ -> source/ -> release/ -> notebooks/"
	@$(VENV_PYTHON) -m tools.build

bundle: setup ## pack the learner edition, without solutions and checks: build/day2-learner.zip
	@echo "bundle: what learners need, and nothing else"
	@$(VENV_PYTHON) -m tools.bundle

check: setup ## check style, types, imports, notebooks and locks, without running anything slow
	@echo "check: ruff"
	@$(VENV_PYTHON) -m ruff check .
	@echo "check: mypy"
	@$(VENV_PYTHON) -m mypy
	@echo "check: what may import what"
	@.venv/bin/lint-imports
	@echo "check: the notebooks are what lessons/ builds"
	@$(VENV_PYTHON) -m tools.build --check
	@echo "check: the lessons name only what the reference table has"
	@$(VENV_PYTHON) -m tools.refs --text
	@echo "check: the locks fit their inputs"
	@$(VENV_PYTHON) -m tools.lock --check

clean: ## remove build products; keeps .venv, evidence, submissions and grades
	@echo "clean: remove build/, caches and compiled Python files"
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	@find bench grading labkit tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "clean: kept .venv, notebooks/ (with evidence/, work/ and learner.json), submitted/, autograded/, feedback/, gradebook.db"
