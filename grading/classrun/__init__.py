"""Grade a class: warm worker processes, one writer of the gradebook, a ledger that lets a run go on where it was killed."""
