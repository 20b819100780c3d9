"""Benchmarks: what `make bench` measures, and the parts that exist for measuring only."""
