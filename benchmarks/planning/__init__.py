"""The rivals of `plan`, and the inputs that they share with it: `benchmarks.table` and `benchmarks.access_log` run them."""
