"""Names of the scores that confusion matrices give; without NumPy, for those who only look them up."""

KINDS = ("IoU", "Acc", "Dice", "Fscore", "Precision")
"""The scores of a class."""
MEANS = {**{f"m{kind}": kind for kind in KINDS}, "mRecall": "Acc"}
"""Means over the classes, and the score that each averages."""
FOREGROUND = {"IoU": "IoU", "F1": "Dice", "precision": "Precision", "recall": "Acc"}
"""Scores of the second of two classes, and what they are called for a class."""
