"""What grades: verdicts, pure checks over evidence, nbgrader plug-ins, sandbox. Needs neither torch nor vLLM nor a GPU."""
