"""Scores: confusion matrices and thresholds."""
