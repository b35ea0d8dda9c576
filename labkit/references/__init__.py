"""What the course names of vLLM's source (`table.toml`), and where each of it is in a given tree."""
