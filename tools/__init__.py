"""Maintainers' tools: set up, lock, build the notebooks, run the course."""
