"""Proofs and measurements, each one command: `python -m benchmarks.NAME`."""
