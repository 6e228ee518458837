"""In which ways a file may have written a key: to find quarantined rows of a person whose data is to be erased."""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from cityloom.exchange.spec import ResolvedField


def forms(field: ResolvedField, value: str) -> tuple[str, ...]:
    """Spellings of a value, itself first. White space, case and width do not matter to the search, so they are left out.

    What cannot be read as the field's type has one spelling.
    """
    try:
        others = _others(field, value.strip())
    except (ValueError, InvalidOperation):
        others = []
    return tuple(dict.fromkeys([value, *others]))


def _others(field: ResolvedField, value: str) -> list[str]:
    if field.type == "integer":
        return [str(int(value)), f"{int(value)}.0"]
    if field.type in ("decimal", "number"):
        plain = format(Decimal(value), "f")
        return [plain, plain.rstrip("0").rstrip(".")] if "." in plain else [plain, f"{plain}.0"]
    if field.type == "date":
        return _days(date.fromisoformat(value))
    if field.type == "timestamp":
        return _moments(datetime.fromisoformat(value))
    if field.format == "gb11643" and len(value) == 18:
        # the number of 15 digits that it was before 1999: without the century and the check character
        return [value[:6] + value[8:17]]
    return []


def _days(day: date) -> list[str]:
    year, month, number = day.year, day.month, day.day
    padded = (f"{year:04}", f"{month:02}", f"{number:02}")
    bare = (f"{year}", f"{month}", f"{number}")
    found = ["".join(padded)]
    for parts in (padded, bare):
        found += [mark.join(parts) for mark in "-/."]
        found += ["{}年{}月{}日".format(*parts), "{}年{}月{}".format(*parts)]
    return found


def _moments(moment: datetime) -> list[str]:
    found = [moment.isoformat(sep) for sep in (" ", "T")]
    found.append(f"{moment:%Y%m%d%H%M%S}")
    for day in _days(moment.date()):
        found += [f"{day}{moment:%H:%M:%S}", f"{day}T{moment:%H:%M:%S}"]
        if moment.second == 0:
            found += [f"{day}{moment:%H:%M}", f"{day}T{moment:%H:%M}"]
    return found
