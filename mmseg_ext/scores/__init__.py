"""What numbers mean: confusion matrices and thresholds."""
