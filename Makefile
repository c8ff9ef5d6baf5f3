# Two commands do everything: `make compare` and `make test`. Both make .venv and install first.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: compare test test-slow bench smoke reference gallery format clean help

compare: .venv/installed  ## train the default experiment (144 runs, ten minutes) and print its table
	$(BIN)/ssrun compare

test: .venv/for-tests  ## style, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-slow: .venv/for-tests  ## the tests that take minutes: kills, damage, thousands of hostile inputs
	$(BIN)/pytest -n 2 --dist worksteal -m slow -s

bench: .venv/for-tests  ## a step against the textbook loop; labels; a cell against a former commit; passes; outputs; checkpoints; a table of 1,000 runs
	$(BIN)/python tests/bench/steps.py
	$(BIN)/python tests/bench/labels.py
	$(BIN)/python tests/bench/cells.py
	$(BIN)/python tests/bench/checkpoints.py
	$(BIN)/python -m tests.bench.passes
	$(BIN)/python -m tests.bench.outputs
	$(BIN)/python -m tests.bench.scale
	$(BIN)/python -m tests.bench.corpus 1000000

smoke: .venv/installed  ## a tiny comparison, for CI
	$(BIN)/ssrun compare --smoke

reference: .venv/installed  ## every experiment in full (five hours), its tables under results/; but for corpus-expert
	for file in $$(ls experiments/*.toml | grep -v corpus); do $(BIN)/ssrun compare "$$(basename "$$file" .toml)" || exit 1; done

gallery: .venv/installed  ## the README's pictures and the claims page, from the committed tables
	$(BIN)/ssrun claims results > results/README.tmp && mv results/README.tmp results/README.md
	$(BIN)/ssrun show results/bengio-table-3 --format svg > results/terminal.svg
	$(BIN)/ssrun figures results/default --out build/figures && cp build/figures/finding.png results/
	$(BIN)/ssrun figures results/dagger --only finding --format png --out build/dagger && cp build/dagger/finding.png results/dagger.png
	$(BIN)/ssrun figures results/bodies --only finding --format png --out build/bodies && cp build/bodies/finding.png results/bodies.png
	$(BIN)/ssrun figures results/budget --only budget --format png --out build/figures && cp build/figures/budget.png results/
	$(BIN)/ssrun figures results/when-it-wins --only map --format png --out build/figures && cp build/figures/map.png results/

format: .venv/for-tests  ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment and the caches, never results
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

help:  ## this
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TRACKERS := tensorboard,mlflow,wandb

# pip 25.1 is the first that reads dependency groups.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) "pip>=25.1"
	$(PIP) --constraint constraints.txt --editable ".[plot,subwords]"
	touch $@

# What tests need besides: a cluster and trackers, which are heavy, and the tools of style and types.
.venv/for-tests: .venv/installed
	$(PIP) --constraint constraints.txt --editable ".[plot,subwords,ray,$(TRACKERS)]" --group dev
	touch $@
