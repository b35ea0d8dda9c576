"""pdb for a lesson: at a breakpoint of a program that it starts, or in the process of an engine that waits in the background."""

import shlex
from collections.abc import Mapping, Sequence

from labkit import show
from labkit.debug.engine import Engine
from labkit.debug.magic import Dialogue
from labkit.debug.pdb_session import Pdb
from labkit.lab import Lab


class InPython:
    """The Python side of a lesson's debuggers. One pdb session and one engine are open at a time: opening another ends the first."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._remote: tuple[tuple[Engine, int] | None, Pdb | None] = None, None
        self._pdb = Dialogue("pdb", "the cell that calls debuggers.pdb(...) or debuggers.connect(...)")

    def pdb(self, command: Sequence[object], *, env: Mapping[str, str] | None = None) -> Pdb:
        """Start a program and wait until it stops at a breakpoint(); the cells that begin with %%pdb type into it."""
        self._pdb.close()
        show.text(_as_typed(command, env or {}))
        return self._pdb.opened(Pdb.start(command, cwd=self._lab.scratch(), log=self._lab.scratch("logs") / "pdb.log", env=env))

    def background(self, command: Sequence[object], *, env: Mapping[str, str] | None = None) -> Engine:
        """Start a script in the background; it is ended by `end()`, when this is called again, or with the kernel."""
        self._pdb.close()
        show.text(f"{_as_typed(command, env or {})} &")
        return Engine(command, log=self._lab.scratch("logs") / "background.log", cwd=self._lab.scratch(), env=env)

    def connect(self, engine: Engine, port: int) -> Pdb:
        """Connect pdb to the process of a background engine that waits at a port; the cells that begin with %%pdb type into it.

        Called again for the same port it returns the same session: remote_pdb takes one connection, and the engine dies when that is closed.
        """
        known, session = self._remote
        if session is None or session.over or known != (engine, port):
            self._pdb.close()
            session = self._pdb.opened(Pdb.connect(port, engine))
            self._remote = (engine, port), session
        return session


def _as_typed(command: Sequence[object], env: Mapping[str, str]) -> str:
    variables = [f"{name}={shlex.quote(value)}" for name, value in env.items()]
    return " ".join(["$", *variables, shlex.join(map(str, command))])
