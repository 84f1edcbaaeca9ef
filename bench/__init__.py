"""Figures beside a reference that is measured in the same run: `make bench`.

Absolute times say more about the machine than about the code, so what is gated is a ratio.
"""
