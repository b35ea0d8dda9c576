"""Attempts to get out of the sandbox, as `python -m grading sandbox` makes them: each is held, and each would be noticed if it were not."""

import platform
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grading import sandbox_attempts, sandbox_probe, seccomp
from grading.sandbox_calls import ALLOWED, ALLOWED_WHEN, DANGEROUS
from grading.sandbox_outside import Outside, aimed_at
from grading.sandbox_probe import NoSandbox, Probe

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
HEADERS = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with aimed_at() as aims:
        yield aims


@pytest.fixture(scope="module")
def inside(outside: Outside) -> dict[str, Probe]:
    return {one.name: one for one in sandbox_probe.from_inside(outside)}


@pytest.fixture(scope="module")
def ended(outside: Outside) -> dict[str, Probe]:
    return {one.name: one for one in sandbox_probe.endings(outside)}


@pytest.mark.parametrize("name", sandbox_probe.ATTEMPTS)
def test_an_attempt_is_held(inside: dict[str, Probe], name: str) -> None:
    assert inside[name].held, inside[name]


@pytest.mark.parametrize("name", sandbox_probe.ENDINGS)
def test_an_ending_is_held_and_leaves_no_process(ended: dict[str, Probe], name: str) -> None:
    assert ended[name].held, ended[name]


def test_nothing_outlives_the_grader_or_reaches_the_outside(outside: Outside) -> None:
    assert [one for one in (sandbox_probe.grader_killed(outside), *sandbox_probe.seen_from_outside(outside)) if not one.held] == []


NOTICED = ("fork", "thread", "sockets", "connect_to_the_grader", "program_in_memory", "read_the_host")


@pytest.mark.parametrize("name", NOTICED)
def test_without_a_sandbox_the_same_attempt_gets_out(outside: Outside, name: str) -> None:
    """The harmless ones only: an attempt that never works would hold everywhere."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); from grading import sandbox_attempts as a; print(a.attempt(sys.argv[1], eval(sys.argv[2])))"
    said = subprocess.run([sys.executable, "-c", code, name, repr(outside.place)], capture_output=True, text=True, timeout=20)
    assert said.returncode == 0 and said.stdout.strip(), said


def test_what_got_out_is_reported_first() -> None:
    table = sandbox_probe.report([Probe("a", "", "fine", True), Probe("b", "", "free", False)]).splitlines()
    assert table[0].startswith("GOT OUT  b") and table[-1] == "2 attempts, 1 got out"


def test_a_visible_connection_or_a_changed_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with aimed_at() as aims:
        socket.create_connection(("127.0.0.1", aims.place["port"])).close()
        aims.sentinel.write_text("A+")
        assert [one.held for one in sandbox_probe.seen_from_outside(aims)] == [False, False, True]


def test_a_fault_of_an_attempt_is_not_taken_for_a_wall(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_probe, "ATTEMPTS", ("fork",))
    broken = {key: value for key, value in outside.place.items() if key != "files"}
    outcome = outside.run(sandbox_attempts, ["fork"], sandbox_probe.LIMITS)
    assert outcome.calls[0].error in sandbox_probe.STOPPED
    blind = Outside(outside.bwrap, outside.listeners, outside.sentinel, broken)
    monkeypatch.setattr(sandbox_probe, "ATTEMPTS", ("read_the_host",))
    assert [one.held for one in sandbox_probe.from_inside(blind)] == [False]  # a KeyError of ours


def test_where_there_is_no_sandbox_the_probe_says_so() -> None:
    with pytest.raises(NoSandbox):
        sandbox_probe.probe(Path("/bin/false"))


def answer(rules: bytes, audit: int, number: int, first: int = 0, second: int = 0) -> int:
    """What a filter answers to a system call: the few instructions of classic BPF that it uses."""
    data = struct.pack("<IIQQQQQQQ", number, audit, 0, first, second, 0, 0, 0, 0)
    lines, at, held = list(struct.iter_unpack("=HBBI", rules)), 0, 0
    while True:
        code, when_true, when_false, value = lines[at]
        if code == 0x06:
            return int(value)
        if code == 0x20:
            held = struct.unpack_from("<I", data, value)[0]
        else:
            at += when_true if (held == value if code == 0x15 else held >= value) else when_false
        at += 1


@pytest.mark.parametrize("name", seccomp.MACHINES)
class TestFilter:
    """Of both processors, on either."""

    def test_only_the_list_is_allowed(self, name: str) -> None:
        machine = seccomp.MACHINES[name]
        rules = seccomp.assemble(machine)
        listed = {numbers[machine.column] for numbers in ALLOWED.values()} - {-1}
        conditional = {one.numbers[machine.column] for one in ALLOWED_WHEN.values()}
        for number in set(range(1000)) - conditional:
            expected = ALLOW if number in listed else ENOSYS if number >= 424 else EPERM
            assert answer(rules, machine.audit, number) == expected, number

    def test_some_calls_by_argument_only(self, name: str) -> None:
        machine = seccomp.MACHINES[name]
        rules, audit, column = seccomp.assemble(machine), machine.audit, machine.column
        ioctl, limits = (ALLOWED_WHEN[call].numbers[column] for call in ("ioctl", "prlimit64"))
        assert answer(rules, audit, ioctl, 0, 0x5401) == ALLOW and answer(rules, audit, ioctl, 0, 0x5412) == EPERM  # TCGETS, TIOCSTI
        assert answer(rules, audit, ioctl, 0x5401, 0) == EPERM  # another argument than the request does not count
        assert answer(rules, audit, ioctl, 0, 0x5412 | 1 << 32) == EPERM
        assert answer(rules, audit, limits, 0) == ALLOW and answer(rules, audit, limits, 1) == EPERM

    def test_other_architectures_and_numberings_end_the_process(self, name: str) -> None:
        machine = seccomp.MACHINES[name]
        rules = seccomp.assemble(machine)
        others = {other.audit for other in seccomp.MACHINES.values()} - {machine.audit} | {0x40000003, 0x40000028}  # i386, arm
        assert {answer(rules, audit, 0) for audit in others} == {KILL}
        assert {answer(rules, machine.audit, number) for number in (0x40000000, 0x40000027, 0xFFFFFFFF)} == {KILL}

    def test_nothing_dangerous_is_on_the_list(self, name: str) -> None:
        machine = seccomp.MACHINES[name]
        rules = seccomp.assemble(machine)
        assert all(
            answer(rules, machine.audit, numbers[machine.column]) in (EPERM, ENOSYS) for numbers in DANGEROUS.values() if min(numbers) >= 0
        )

    def test_the_numbers_are_the_kernels(self, name: str) -> None:
        header = Path("/usr/include", HEADERS[name])
        if not header.exists():
            pytest.skip("no kernel headers here")
        found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
        column = seccomp.MACHINES[name].column
        table = {call: numbers[column] for call, numbers in (ALLOWED | DANGEROUS).items()}
        table |= {call: one.numbers[column] for call, one in ALLOWED_WHEN.items()}
        renamed = {"newfstatat": "fstatat"} if name == "aarch64" else {}
        known = {call: number for call, number in table.items() if number >= 0 and renamed.get(call, call) in found}
        assert len(known) > 90 and {call: int(found[renamed.get(call, call)]) for call in known} == known


def test_the_filter_of_this_machine_is_the_one_in_use() -> None:
    rules = seccomp.program()
    if platform.machine() not in seccomp.MACHINES:
        assert rules is None
    else:
        assert rules == seccomp.assemble(seccomp.MACHINES[platform.machine()])
