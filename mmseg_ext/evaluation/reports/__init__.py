"""What metrics write about their scores: lines of the log, files, pictures."""
