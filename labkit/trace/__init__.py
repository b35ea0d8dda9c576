"""Traces of a program's work on CPU and GPU: one model for what Nsight Systems and torch.profiler record. Standard library only."""
