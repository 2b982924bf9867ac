"""What says how much the tests and the contracts are worth: proofs, static analysis, mutants. Each is a command."""
