from pathlib import Path

from handed import Context, put


def attack(submission: Path, course: Context) -> None:
    """Wants integers of 100,000 digits, which take a parser quadratic time, in a notebook and in records."""
    text = (submission / "01_environment.ipynb").read_text().replace('"nbformat": 4', f'"nbformat": {"9" * 100_000}')
    (submission / "01_environment.ipynb").write_text(text)
    for record_id, name in (("start-exit-code", '"answer": 1'), ("inference-first", '"max_tokens": 10')):
        text = (submission / "evidence" / f"{record_id}.json").read_text()
        assert name in text
        put(submission, record_id, text.replace(name, f"{name}{'0' * 100_000}"))
