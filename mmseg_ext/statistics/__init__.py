"""What a dataset holds: counts, class weights, plots."""
