"""What goes wrong with a trace: one exception, whose text is written for the learner."""


class BadTrace(Exception):
    """The file is no trace, or not one that can be trusted: "<what was seen>. Expected <what>. <next step>."

    IPython asks an exception for `_render_traceback_`; outside a notebook it prints like any other error.
    """

    def __init__(self, seen: str, expected: str, next_step: str) -> None:
        super().__init__(f"{seen}. Expected {expected}. {next_step}")

    def _render_traceback_(self) -> list[str]:
        return [str(self)]
