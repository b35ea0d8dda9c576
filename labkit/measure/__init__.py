"""What lesson 06 measures with: build types, memory, batch sizes. Notebooks use it; the grader does not."""
