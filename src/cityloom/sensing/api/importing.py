"""Devices of a whole sheet: tried first, with every fault by row and cell; kept all of them or none."""

from datetime import datetime

from cityloom.catalogue.api import sheets
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, TooLarge
from cityloom.sensing.api import devices
from cityloom.sensing.contracts.devices import CellFault, DeviceImport, Issued
from cityloom.sensing.rules import sheets as reading
from cityloom.sensing.rules.sheets import Fault, Sheet
from cityloom.sensing.spec.stations import Stations, stations

MOST = 5_000
"""Devices of one sheet."""
MOST_FAULTS = 500


class Undone(Exception):
    """Ends a transaction of which nothing shall stay."""


def bring(ctx: Context, content: bytes, *, trial: bool) -> DeviceImport:
    """Register the devices of the first sheet of an .xlsx (or a CSV); with a fault anywhere none of them. Right
    `sensing.register`.

    Raises Invalid `catalogue.sheet_broken`, TooLarge `catalogue.sheet_too_large`, `sensing.sheet_long`.
    """
    keeper = devices.allow(ctx, "sensing.register")
    grids = sheets.read(content)
    found = stations(ctx.packs)
    sheet = (
        reading.read(grids[0], list(found.types)) if grids else Sheet((), (Fault(1, "", "sensing.sheet_empty"),), 0, {})
    )
    if sheet.rows > MOST:
        raise TooLarge("sensing.sheet_long", limit=MOST)
    now = ctx.clock.now()
    faults = list(sheet.faults)
    issued: list[Issued] = []
    try:
        with ctx.begin() as tx:
            _add(ctx, tx, keeper, sheet, found, now, faults, issued)
            if trial or faults:
                raise Undone
            ctx.record(tx, "sensing.devices_imported", f"Organisation:{keeper}", devices=len(sheet.wishes))
    except Undone:
        issued = []
    shown = tuple(_shown(ctx, each) for each in sorted(faults, key=lambda each: each.row)[:MOST_FAULTS])
    return DeviceImport(
        sheet.rows, not (trial or faults), shown, max(0, len(faults) - MOST_FAULTS), tuple(issued)
    )  # fmt: skip


def _add(
    ctx: Context, tx: Transaction, keeper: str, sheet: Sheet, found: Stations, now: datetime, faults: list[Fault],
    issued: list[Issued],
) -> None:  # fmt: skip
    """Write every device down that can be; a number that somebody has is a fault of its cell, and leaves nothing undone."""
    for row, wish in sheet.wishes:
        try:
            issued += devices.add(ctx, tx, keeper, wish, found, now)[1]
        except Conflict as problem:
            faults.append(Fault(row, sheet.columns["number"], problem.code, problem.params))


def _shown(ctx: Context, fault: Fault) -> CellFault:
    detail = ctx.parts.words.say(fault.code, ctx.language, **fault.params)
    return CellFault(fault.row, fault.column, fault.code, detail)
