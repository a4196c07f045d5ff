"""Statistics of a dataset: counts, class weights, plots."""
