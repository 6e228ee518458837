"""The ids of entities: a letter for the register, and a number that is never given twice."""

from collections.abc import Mapping

from cityloom.kernel.errors import NotFound
from cityloom.registers.contracts import ENTITY
from cityloom.registers.spec import Register


def show(register: Register, entity: int) -> str:
    """The id of an entity."""
    return f"{register.letter}{entity:012d}"


def read(registers: Mapping[str, Register], register: str, id: str) -> int:
    """The entity of an id. Raises NotFound `registers.record_unknown` for what is no id of this register."""
    if not ENTITY.fullmatch(id) or register not in registers or id[0] != registers[register].letter:
        raise NotFound("registers.record_unknown", register=register)
    return int(id[1:])
