"""The parts of benchmarks/label_budget.py."""
