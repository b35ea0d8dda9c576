"""Debuggers of lesson 03: gdb, cuda-gdb and pdb as live sessions, and what they leave behind."""
