"""The parts of benchmarks/audit.py."""
