"""The chain's core: candidates, attempts, and one answer out of several models. No framework, no provider."""
