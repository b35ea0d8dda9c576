"""The live tail keeps what a reader needs: no colours, one line per progress bar, the end of the output."""

from labkit.live import LiveTail, ending


def shown(lines, capsys, tmp_path):
    LiveTail("cmd", enabled=True).close(lines, 1.0, 0, None, tmp_path / "x.log")
    return capsys.readouterr().out


def test_progress_bars_and_repeated_warnings_become_one_line(capsys, tmp_path):
    lines = ["\x1b[33mWARNING\x1b[0m [a.py:1] again\n"] * 3 + [
        "load:  0%|   | 0/2\n",
        "load: 50%|█  | 1/2 [1.3it/s]\n",
        "load: 100%|██| 2/2 [1.2it/s]\n",
        "done\n",
    ]
    out = shown(lines, capsys, tmp_path)
    assert out.count("WARNING") == out.count("load:") == 1
    assert "100%" in out
    assert "\x1b" not in out


def test_bars_of_nsys_become_one_line_each(capsys, tmp_path):
    """As nsys 2025.3 prints them; a carriage return has become the end of a line."""
    lines = [
        "[1/1] [0%                          ] profiled.nsys-rep\n", "[1/1] [=16%                        ] profiled.nsys-rep\n",
        "[1/1] [========================100%] profiled.nsys-rep\n",
        "Processing 16758 events: [                                                  0%]\n",
        "Processing 16758 events: [=================================================100%]\n",
    ]  # fmt: skip
    out = shown(lines, capsys, tmp_path)
    assert out.count("profiled.nsys-rep") == out.count("Processing") == 1
    assert out.count("100%") == 2


def test_how_a_command_ended_is_said_in_words():
    assert ending(0, None) == "exit code 0"
    assert ending(-9, None) == "ended by signal 9 (SIGKILL)"
    assert ending(-15, 30.0) == "ended after its limit of 30 s"
