"""What ELF files say of their own compilation: sections, symbols, DWARF and GPU code. All of it works on hostile bytes in bounded time."""

from labkit.elf.units import Unit, code, optimisation, units

__all__ = ["Unit", "code", "optimisation", "units"]
