"""The parts of benchmarks/clicks.py."""
