"""SQL that reads days and moments as clerks and programs write them: 2020-01-31, 20200131, 2020年1月31日."""

NUMERIC_DAY = "[1-9][0-9]{3}[-/][0-9]{1,2}[-/][0-9]{1,2}"
NUMERIC_TIME = "[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\\.[0-9]{1,6})?)?"
COMPACT = "[1-9][0-9]{7}"
SPOKEN_DAY = "([1-9][0-9]{3})\\s*[-/.年]\\s*([0-9]{1,2})\\s*[-/.月]\\s*([0-9]{1,2})\\s*日?"
COMPACT_DAY = "([1-9][0-9]{3})([0-9]{2})([0-9]{2})"
MIDNIGHT = "(?:[T\\s]\\s*0{1,2}:00(?::00(?:\\.0+)?)?)?"
SPOKEN_MINUTE = "[T\\s]*([0-9]{1,2})[:时点]([0-9]{2})分?"
SPOKEN_SECOND = "[T\\s]*([0-9]{1,2})[:时点]([0-9]{2})[:分]([0-9]{2}(?:\\.[0-9]{1,9})?)秒?"
COMPACT_MINUTE = "[T\\s]?([0-9]{2})([0-9]{2})"
COMPACT_SECOND = "[T\\s]?([0-9]{2})([0-9]{2})([0-9]{2})"
OFFSET = "\\s*(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
STATED = "[0-9秒分]\\s*(Z|[+-][0-9]{2}:?[0-9]{2})$"
"""The offset at the end of a text that has one of the forms with a time."""


def is_date_sql(raw: str) -> str:
    """The text has a usual form of a day. DuckDB's cast alone takes 2020-01-31x, epoch and infinity too."""
    return f"regexp_full_match({raw}, '{NUMERIC_DAY}|{COMPACT}')"


def date_sql(raw: str) -> str:
    """DATE of a text of a usual form; NULL when there is no such day."""
    compact = f"substr({raw}, 1, 4) || '-' || substr({raw}, 5, 2) || '-' || substr({raw}, 7, 2)"
    is_compact = f"strlen({raw}) = 8 AND NOT contains({raw}, '-') AND NOT contains({raw}, '/')"
    return f"TRY_CAST(CASE WHEN {is_compact} THEN {compact} ELSE {raw} END AS DATE)"


def spoken_date_sql(plain: str) -> str:
    """DATE of a clean, half-width text of another form; a time of day is refused unless it is midnight."""
    form = f"^{SPOKEN_DAY}{MIDNIGHT}$"
    said = f"TRY_CAST(regexp_replace({plain}, '{form}', '\\1-\\2-\\3') AS DATE)"
    return (
        f"CASE WHEN regexp_matches({plain}, '{form}') THEN {said} WHEN {is_date_sql(plain)} THEN {date_sql(plain)} END"
    )


def is_timestamp_sql(raw: str) -> str:
    """The text has a usual form of a moment. DuckDB's cast passes over an offset from UTC, so none is taken here."""
    return f"regexp_full_match({raw}, '{NUMERIC_DAY}[ T]{NUMERIC_TIME}')"


def spoken_timestamp_sql(plain: str, offset_minutes: int) -> str:
    """Local TIMESTAMP of a clean, half-width text of another form; a day alone is its midnight."""
    forms = [
        (f"^{SPOKEN_DAY}{SPOKEN_SECOND}{OFFSET}$", "\\1-\\2-\\3 \\4:\\5:\\6"),
        (f"^{SPOKEN_DAY}{SPOKEN_MINUTE}{OFFSET}$", "\\1-\\2-\\3 \\4:\\5:00"),
        (f"^{SPOKEN_DAY}$", "\\1-\\2-\\3 00:00:00"),
        (f"^{COMPACT_DAY}{COMPACT_SECOND}{OFFSET}$", "\\1-\\2-\\3 \\4:\\5:\\6"),
        (f"^{COMPACT_DAY}{COMPACT_MINUTE}{OFFSET}$", "\\1-\\2-\\3 \\4:\\5:00"),
        (f"^{COMPACT_DAY}$", "\\1-\\2-\\3 00:00:00"),
    ]
    local = " ".join(
        f"WHEN regexp_matches({plain}, '{form}') THEN regexp_replace({plain}, '{form}', '{iso}')" for form, iso in forms
    )
    return f"TRY_CAST(CASE {local} END AS TIMESTAMP) + to_minutes({_shift_sql(plain, offset_minutes)})"


def _shift_sql(plain: str, offset_minutes: int) -> str:
    """Minutes from the stated offset to the city's; 0 when none is stated."""
    stated = f"regexp_extract({plain}, '{STATED}', 1)"
    hours, minutes = f"TRY_CAST(substr({stated}, 2, 2) AS INTEGER)", f"TRY_CAST(right({stated}, 2) AS INTEGER)"
    east = f"(CASE WHEN prefix({stated}, '-') THEN -1 ELSE 1 END) * ({hours} * 60 + {minutes})"
    has_time = f"regexp_matches({plain}, '[:时点]|^[0-9]{{8}}[T\\s]?[0-9]')"
    return (
        f"CASE WHEN {stated} = '' OR NOT {has_time} THEN 0 WHEN {stated} = 'Z' THEN {offset_minutes}"
        f" ELSE {offset_minutes} - {east} END"
    )
