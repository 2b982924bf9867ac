"""Properties run against deployed contracts on anvil, without brownie's plugin: `pytest -p no:pytest-brownie`."""
