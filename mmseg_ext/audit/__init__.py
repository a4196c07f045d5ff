"""Which labels of a dataset look wrong: every label judged by a model that has not seen it."""
