"""Arrays, folds, sums and rates that every search uses."""
