"""The data of a peak day: two kinds of dataset, ten of each, as a pack of its own and as CSV files made by DuckDB.

Identity numbers carry the division prefix 99, which no division has ever had, so that none is a real person's.
"""

from pathlib import Path

import duckdb

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

PACK = """\
name: peakday
title: {en: Peak day, zh: 高峰日}
version: "1"
keeper: bench
needs: []
city: true
"""

ORGANISATIONS = """\
- {code: bench, title: {en: Bench department, zh: 压测部门}, kind: department}
"""

CODES = """\
title: {en: Status, zh: 状态}
version: "1"
standard: none
codes:
  - {code: "1", title: {en: normal, zh: 正常}}
  - {code: "2", title: {en: arrears, zh: 欠费}}
  - {code: "3", title: {en: supplementary, zh: 补缴}}
  - {code: "9", title: {en: other, zh: 其他}}
"""

HEAD = """\
title: {{en: {title} {number}, zh: {title} {number}}}
keeper: bench
legal_basis: {{en: none, zh: 无}}
class: person
sharing: conditional
modes: [{mode}]
update: {{every: day}}
key: [{key}]
retention: {{records: P10Y}}
fields:
"""

FIELDS = """\
  - {name: record, title: {en: Record number, zh: 流水号}, type: text, required: true, pattern: "[A-Z]{2}[0-9]{10}"}
  - {name: id_number, title: {en: Identity number, zh: 身份证号}, type: text, required: true, format: gb11643, grade: 3, personal: true}
  - {name: name, title: {en: Name, zh: 姓名}, type: text, required: true, max_length: 50, grade: 2, personal: true}
  - {name: status, title: {en: Status, zh: 状态}, type: text, required: true, codes: status}
  - {name: month, title: {en: Month, zh: 月份}, type: date, required: true, min: 2000-01-01}
  - {name: base, title: {en: Base, zh: 基数}, type: decimal, precision: 12, scale: 2, min: 0, max: 100000}
  - {name: amount, title: {en: Amount, zh: 金额}, type: decimal, precision: 12, scale: 2, required: true, min: 0}
  - {name: paid_at, title: {en: Paid at, zh: 缴纳时间}, type: timestamp}
checks:
  - name: amount_below_base
    expression: "amount <= base"
    title: {en: Amount above base, zh: 金额大于基数}
    remedy: {en: Check both, zh: 请核对}
"""

DATASETS = 20
UPSERTS = 6


def names() -> list[str]:
    """The twenty datasets, the updating ones last."""
    appended = [f"payment_{number:02}" for number in range(1, DATASETS - UPSERTS + 1)]
    return appended + [f"account_{number:02}" for number in range(1, UPSERTS + 1)]


def mode(dataset: str) -> str:
    """How the dataset is delivered."""
    return "append" if dataset.startswith("payment") else "upsert"


def write_pack(folder: Path) -> Path:
    """The pack `peakday` in `folder`."""
    pack = folder / "peakday"
    for part in ("exchange", "catalogue/codes", "identity"):
        (pack / part).mkdir(parents=True, exist_ok=True)
    (pack / "pack.yaml").write_text(PACK)
    (pack / "identity/organisations.yaml").write_text(ORGANISATIONS)
    (pack / "catalogue/codes/status.yaml").write_text(CODES)
    for number, dataset in enumerate(names(), 1):
        head = HEAD.format(title=dataset.split("_")[0], number=number, mode=mode(dataset), key="record")
        (pack / f"exchange/{dataset}.yaml").write_text(head + FIELDS)
    return pack


def check_digit(digits: str) -> str:
    """SQL of the GB 11643 check character over 17 digits given as a BIGINT expression."""
    total = " + ".join(f"(({digits} // {10 ** (16 - place)}) % 10) * {weight}" for place, weight in enumerate(WEIGHTS))
    return f"substr('10X98765432', (({total}) % 11)::INTEGER + 1, 1)"


def write_csv(connection: duckdb.DuckDBPyConnection, path: Path, first: int, rows: int, changed: int = 0) -> None:
    """`rows` records numbered from `first`, one in a thousand of them wrong in some way.

    `changed` shifts the amounts, so that the same numbers again are updates.
    """
    digits = "(99010100000000000 + (1950 + i % 60) * 10000000::BIGINT + (1 + i % 12) * 100000 + (1 + i % 28) * 1000 + 10 * (1 + i % 99))"
    connection.execute(
        f"""COPY (
            SELECT 'PA' || lpad(i::VARCHAR, 10, '0') AS record,
                {digits}::VARCHAR || CASE WHEN i % 4000 = 17 THEN 'Z' ELSE {check_digit(digits)} END AS id_number,
                CASE WHEN i % 4000 = 1017 THEN '' ELSE substr('赵钱孙李周吴郑王冯陈', 1 + i % 10, 1) || substr('伟芳娜敏静丽强磊军洋', 1 + (i // 10) % 10, 1) END AS name,
                CASE WHEN i % 4000 = 2017 THEN '7' ELSE substr('1239', 1 + i % 4, 1) END AS status,
                make_date(2020 + (i % 5)::INTEGER, 1 + (i % 12)::INTEGER, 1) AS month,
                (3000 + i % 20000)::DECIMAL(12,2) AS base,
                CASE WHEN i % 4000 = 3017 THEN 'abc' ELSE (100 + (i + {changed}) % 2900)::DECIMAL(12,2)::VARCHAR END AS amount,
                TIMESTAMP '2024-01-01 08:00:00' + to_seconds(i % 80000) AS paid_at
            FROM range({first}, {first + rows}) r(i)
        ) TO '{path}' (FORMAT csv, HEADER true)"""
    )
