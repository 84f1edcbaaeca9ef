"""Every fault of the scripted provider against every subject, by one rule: what did the user's program end up with?

`python -m bench.survival` runs the whole matrix, `--quick` a tenth of it; see `docs/benchmarks/survival.md`.
"""
