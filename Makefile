# Every target is an alias of `python3 run.py <target>`, which sets everything up first. Without make: use run.py.
# Another Python: make demo PYTHON=python3.12

PYTHON ?= python3

ifeq ($(shell command -v $(PYTHON) 2>/dev/null),)
$(error There is no '$(PYTHON)' on PATH. Install Python 3.11 to 3.13 (apt install python3 python3-venv, brew install python@3.13) or name yours: make demo PYTHON=/path/to/python3)
endif

.PHONY: help setup demo test test-fast bench fuzz adversary prove slither mutate replay lint types chain clean

# This list. MARKET=<name> make demo, and BALLAST_PORT=<port> make chain, choose the market and the port.
help:            ## show this list
	@$(PYTHON) run.py help

setup:           ## install everything into .venv, node_modules and .toolchain, and compile the contracts
	@$(PYTHON) run.py setup

demo:            ## an index from its file to its report on a local chain (MARKET=<file or folder>)
	@$(PYTHON) run.py demo

test:            ## all tests: without a chain, contracts, journeys
	@$(PYTHON) run.py test

test-fast:       ## the tests that need no chain, in seconds
	@$(PYTHON) run.py test-fast

bench:           ## measure gas and the engine beside limits, peers and goals; writes JSON and tables
	@$(PYTHON) run.py bench

fuzz:            ## random tests and state machines for long, and every planted bug (hours)
	@$(PYTHON) run.py fuzz

adversary:       ## hostile agents on a local chain, thirty days each, against the loss bound (ARGS="stolen-key --days 5")
	@$(PYTHON) run.py adversary $(ARGS)

prove:           ## prove the arithmetic of the libraries for every input, and that wrong libraries would not pass
	@$(PYTHON) run.py prove

slither:         ## static analysis against docs/slither.md, and who may call what
	@$(PYTHON) run.py slither

mutate:          ## plant mistakes in a copy of the contracts and count what the tests notice (long; resumable)
	@$(PYTHON) run.py mutate

lint:            ## check style and formatting of the Python code (ruff)
	@$(PYTHON) run.py lint

types:           ## check the types of offchain/ (mypy)
	@$(PYTHON) run.py types

replay:          ## hold a backtest against 26 weeks on a local chain with genuine pools; writes build/replay
	@$(PYTHON) run.py replay $(ARGS)

chain:           ## open a local chain with a market on it until Ctrl-C (BALLAST_PORT=8545, MARKET=...)
	@$(PYTHON) run.py chain

clean:           ## remove what set-up, compiler and tests made; keystores and live deployments stay
	@$(PYTHON) run.py clean
