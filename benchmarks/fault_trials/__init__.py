"""Trials of what can go wrong, a module a kind; ``benchmarks/faults.py`` runs them."""
