"""A compiler launcher that measures each unit: `python measure_unit.py LOG COMPILER ARGUMENTS...`, one JSON line per object file in LOG.

For `-DCMAKE_CXX_COMPILER_LAUNCHER="python;-S;measure_unit.py;LOG"`; labkit.build.costs.refresh reads the log. It imports nothing of the
course, because it starts once for each file.
"""

import json
import resource
import subprocess
import sys


def main() -> int:
    """Run the compiler, write down what it took, and return its exit code."""
    log, *command = sys.argv[1:]
    code = subprocess.run(command, check=False).returncode
    if "-c" in command and "-o" in command:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        line = {
            "out": command[command.index("-o") + 1],
            "rc": code,
            "cpu": round(used.ru_utime + used.ru_stime, 2),
            "rss_mib": used.ru_maxrss >> 10,
        }
        with open(log, "a") as stream:  # noqa: PTH123 - pathlib costs more than all the rest of this program
            stream.write(json.dumps(line) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
