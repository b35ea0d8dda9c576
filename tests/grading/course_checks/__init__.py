"""The checks of the tests' tiny course. Only a test's own configuration names this package."""
