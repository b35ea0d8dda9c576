"""Makes labkit/trace/recorded/ from a run of lesson 05 on a machine with a GPU and nsys: python -m tools.recorded_traces RUN.

RUN is the folder that the lesson ran in: it has `evidence/` and `work/05_nsight_systems/`. The extracts are copied as they are; of the
program that shows asynchrony, which leaves no evidence, the export is read. captures.json was noted down by hand and stays.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from labkit.checks.profile_traces import FOLDER, own
from labkit.evidence import Evidence
from labkit.trace import extract, nsys

KEPT = ("label", "mode", "prompt_tokens", "layers", "weight_bytes", "kv_bytes_per_token", "seconds", "bare_seconds")


def record(run: Path, target: Path = FOLDER) -> None:
    """Replace the recorded traces and facts.json in `target` by those of a run. Raises BadEvidence or BadTrace when it lacks one."""
    evidence = Evidence(run / "evidence")
    facts: dict[str, Any] = {}
    for name, record_id in (("eager", "profile-trace"), ("graphs", "profile-graphs")):
        kept, found = own(evidence, record_id)
        if found.trace.device is None:
            raise SystemExit(f"{record_id}: it was not recorded on a GPU.")
        shutil.copy(evidence.folder / kept.files[0].path, target / f"{name}.trace.json.gz")
        facts[name] = {key: found.facts[key] for key in KEPT}
        facts["machine"] = f"an {kept.machine.gpu}, {found.trace.tool}, vLLM {kept.versions['vllm']}, torch {kept.versions['torch']}"
    trace = nsys.read(run / "work" / "05_nsight_systems" / "asynchrony.sqlite")
    asked = [span for span in trace.ranges if span.name in ("ask", "wait")]
    extract.write(extract.cut(trace, asked), target / "asynchrony.trace.json.gz")
    (target / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    record(parser.parse_args().run)
    print("\n".join(f"{path.stat().st_size:>9,} {path.name}" for path in sorted(FOLDER.iterdir())))


if __name__ == "__main__":
    main()
