"""The least time that one decode step can take, beside what it took: the numbers of lesson 05's last question."""

from dataclasses import dataclass

from labkit import show
from labkit.checks.profile_traces import Profiled, recorded
from labkit.profile.bound import PEAKS, Floor, floor, verdict
from labkit.profile.units import size_text, time_text
from labkit.trace.model import Device
from labkit.trace.readings import Step, measure


@dataclass(frozen=True)
class Estimate:
    """What a decode step has to read, in bytes, and how fast the card's memory is, in bytes per second."""

    number: int
    device: Device
    weight_bytes: int
    kv_bytes_per_token: int
    tokens: int  # in the KV cache when the step runs
    dtype_bytes: int = 2

    @property
    def bandwidth(self) -> int:
        """Bytes per second that the card's memory delivers at best."""
        return self.device.bandwidth

    @classmethod
    def of(cls, found: Profiled, number: int) -> "Estimate":
        """Return the estimate for decode step `number` of a profiled request on a GPU: step k computes with the prompt and k tokens."""
        facts, device = found.facts, found.trace.device or Device("no GPU")
        return cls(
            number, device, facts["weight_bytes"], facts["kv_bytes_per_token"], facts["prompt_tokens"] + number, facts.get("dtype_bytes", 2)
        )

    def show_inputs(self) -> None:
        """Show what the floor is computed from, and where each number comes from."""
        rows = [
            ("bound.weight_bytes", f"{self.weight_bytes:,}", size_text(self.weight_bytes), "parameters by config.json, times the bytes of the dtype"),
            ("bound.kv_bytes_per_token", f"{self.kv_bytes_per_token:,}", size_text(self.kv_bytes_per_token), "2 (key, value) × layers × KV heads × head size × bytes"),
            ("bound.tokens", f"{self.tokens:,}", "", f"the prompt and {self.number} tokens generated before decode step {self.number}"),
            ("bound.bandwidth", f"{self.bandwidth:,}", f"{size_text(self.bandwidth)}/s", f"TARGET_INFO_GPU.memoryBandwidth: {self.device.name}"),
        ]  # fmt: skip
        show.table("What a decode step has to read, and how fast it can", ("name", "value", "that is", "from"), rows)

    def compare(self, runs: dict[str, Profiled]) -> None:
        """Show this step of several runs against its floor, by memory and by arithmetic.

        A run of another model has another floor: the recording of its mode stands in for it, and the table says so.
        """
        least, source = self._floor()
        rows = []
        for name, found in runs.items():
            fits = found.facts.get("weight_bytes") == self.weight_bytes
            step = _step(found if fits else recorded(name), self.number)
            times = f"{step.host / 1e9 / least.seconds:.0f} ×" if least.seconds else "–"
            judged = verdict(least, step.busy / 1e9, step.host / 1e9)
            rows.append((name if fits else f"{name} (recorded)", time_text(step.host), time_text(step.busy), times, judged))
        arithmetic = f", by arithmetic {time_text(least.compute * 1e9)} ({source})" if least.compute else ""
        title = f"Decode step {self.number}. Its floor by memory: {time_text((least.memory or 0) * 1e9)}{arithmetic}"
        show.table(title, ("mode", "step", "GPU busy", "step / floor", "bound by"), rows)

    def _floor(self) -> tuple[Floor, str]:
        """The step's floor, and where the card's peak is from."""
        peak, source = PEAKS.get(self.device.name, (0.0, ""))
        cache = self.tokens * self.kv_bytes_per_token
        operations = 2 * self.weight_bytes / self.dtype_bytes  # a multiplication and an addition per parameter
        return floor(self.weight_bytes, cache, self.bandwidth, operations=operations, peak=peak), source


def _step(found: Profiled, number: int) -> Step:
    return measure(found.trace, found.steps[number], decodes=True)
