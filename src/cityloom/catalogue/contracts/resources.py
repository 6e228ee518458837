"""Information resources (信息资源) with the elements of GB/T 21063.3 and the compilation guide (编制指南)."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.catalogue.contracts.standards import Grade
from cityloom.kernel.words import Text

Sharing = Literal["unconditional", "conditional", "refused"]
"""共享类型: 无条件共享, 有条件共享, 不予共享."""

Openness = Literal["open", "conditional", "closed"]
"""开放类型: 无条件开放, 有条件开放, 不予开放."""

Cycle = Literal["real_time", "day", "week", "month", "quarter", "half_year", "year", "irregular"]
"""更新周期."""

Carrier = Literal["document", "spreadsheet", "database", "image", "stream", "self_described", "interface", "other"]
"""信息资源格式分类: 电子文件, 电子表格, 数据库, 图形图像, 流媒体, 自描述格式, 服务接口."""

Way = Literal["", "platform", "exchange", "query", "interface", "file", "mail", "copy", "medium"]
"""共享方式; empty where it is not stated."""

ItemKind = Literal["text", "integer", "decimal", "number", "boolean", "date", "timestamp", "binary"]

ResourceId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_~-]{0,127}$")]
"""A resource's name in addresses: the dataset's name, or one its keeper chose, or its code with - for /."""

Category = Annotated[str, Meta(pattern=r"^([1-9][0-9]{5,19})?$")]
"""类 (1 digit), 项 (2), 目 (3), 细目 (any number), one after the other."""

Code = Annotated[str, Meta(pattern=r"^([1-9][0-9]{5,19}/[0-9]{1,12})?$")]
"""信息资源代码: the category, a stroke, and the order number within it."""

Name = Annotated[str, Meta(max_length=300)]
CreditCode = Annotated[str, Meta(pattern=r"^([0-9A-HJ-NPQRTUWXY]{18})?$")]
NOTHING = Text("", "")


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """信息项: one thing that a resource says of its subject."""

    name: Text
    type: ItemKind = "text"
    length: Annotated[int, Meta(ge=1)] | None = None
    element: str = ""
    """The data element (数据元) it is; empty where none is named."""
    qualifier: Name = ""
    """限定词: what tells it from other items of the same element, such as 户籍 for 户籍地址."""
    grade: Grade = 1
    """数据分级 by GB/T 43697-2024."""
    personal: bool = False
    required: bool = False
    authoritative: bool = False
    """数源: the keeper answers for this item; nobody else may claim it for the same subject."""
    standard: Name = ""


class ResourceWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A resource as its keeper describes it. `code` and `category` are given out where they are left empty."""

    title: Text
    keeper: str
    items: Annotated[tuple[Item, ...], Meta(max_length=2000)]
    sharing: Sharing
    summary: Text = NOTHING
    subject: str = ""
    """What it is about: a word of the packs' list dataset_class, such as person or place."""
    category: Category = ""
    code: Code = ""
    keeper_code: CreditCode = ""
    """提供方代码: unified social credit code of the keeper."""
    legal_basis: Text = NOTHING
    sharing_condition: Text = NOTHING
    sharing_way: Way = ""
    refusal_law: Text | None = None
    """Law, article: what forbids sharing. Needed with `refused`, and only then."""
    openness: Openness = "closed"
    open_condition: Text = NOTHING
    cycle: Cycle = "irregular"
    carrier: Carrier = "database"
    format: Name = ""
    """信息资源格式类型, such as mysql, xlsx, csv."""
    issued: date | None = None
    related: Annotated[tuple[Name, ...], Meta(max_length=500)] = ()
    """关联资源代码: codes of resources it belongs with."""
    derived_from: Annotated[tuple[ResourceId, ...], Meta(max_length=100)] = ()
    """Resources it is fused or made from; its grade is not below that of the items it takes over."""
    regraded: Text | None = None
    """Why derived items have a lower grade than where they come from (GB/T 43697-2024, annex I), such as aggregation."""
    dataset: str = ""
    """The dataset of the exchange that delivers it; set by the platform where a pack declares one."""


class Filter(msgspec.Struct, frozen=True):
    """Which resources; empty means all."""

    keeper: str = ""
    sharing: str = ""
    openness: str = ""
    subject: str = ""
    category: str = ""
    """The beginning of the category."""
    grade: int = 0


class ResourceSummary(msgspec.Struct, frozen=True):
    """A resource as a list shows it."""

    id: str
    code: str
    title: str
    keeper: str
    subject: str
    category: str
    sharing: Sharing
    openness: Openness
    grade: int
    revision: int
    items: int


class ResourcePage(msgspec.Struct, frozen=True):
    """A page of resources. `total` is a lower bound where `exact` is false."""

    total: int
    exact: bool
    offset: int
    resources: list[ResourceSummary]


FacetName = Literal["keeper", "sharing", "openness", "subject", "category", "grade"]


class FacetValue(msgspec.Struct, frozen=True):
    """How many of the resources that fit have a value."""

    value: str
    title: str
    count: int


class Facet(msgspec.Struct, frozen=True):
    """One filter of the search with its values, the most frequent first."""

    name: FacetName
    values: list[FacetValue]


class Facets(msgspec.Struct, frozen=True):
    """What the search could be narrowed to. `total` is a lower bound where `exact` is false."""

    total: int
    exact: bool
    facets: list[Facet]


class Announced(msgspec.Struct, frozen=True):
    """A breaking change that comes into force on a day to come."""

    resource: str
    effective_on: date
    announced_at: datetime
    reason: str
    changes: list["Change"]


class Resource(msgspec.Struct, frozen=True):
    """A resource in full, as it is in force."""

    id: str
    code: str
    keeper: str
    revision: int
    sequence: int
    grade: int
    """The highest grade of its items, and not below what it takes over from the resources it is derived from."""
    record: ResourceWish
    changed_at: datetime
    source: str = ""
    retired_at: datetime | None = None
    announced: Announced | None = None


class Change(msgspec.Struct, frozen=True):
    """One difference between two revisions: `path` such as sharing or items.公民身份号码.type; values as JSON text."""

    path: str
    before: str | None
    after: str | None
    breaking: bool


class Revision(msgspec.Struct, frozen=True):
    """That a revision exists."""

    revision: int
    sequence: int
    digest: str
    grade: int
    breaking: bool
    cause: str
    actor: str
    at: datetime


class Diff(msgspec.Struct, frozen=True):
    """What differs between two revisions of a resource."""

    resource: str
    from_revision: int
    to_revision: int
    breaking: bool
    changes: list[Change]


class RowFault(msgspec.Struct, frozen=True):
    """One thing wrong in a file: where, what, and what to do."""

    row: int
    """Row of the sheet as the program shows it; 0 where the file has no rows."""
    column: str
    subject: str
    """Which resource it is about, as far as that can be told."""
    value: str
    code: str
    problem: str
    remedy: str


class ImportLine(msgspec.Struct, frozen=True):
    """What became of one resource of a file, or would."""

    row: int
    """Its first row; 0 where the file has no rows."""
    id: str
    """Empty where it could not be told."""
    title: str
    outcome: Literal["added", "changed", "unchanged", "announced", "refused"]
    changes: list[Change] = []
    """What differs from what is in force, where it is changed or announced."""


class ImportReport(msgspec.Struct, frozen=True):
    """What became of an imported file: read = added + changed + unchanged + announced + drafted + refused."""

    trial: bool
    read: int
    added: int
    changed: int
    unchanged: int
    announced: int
    refused: int
    faults: list[RowFault]
    columns_unknown: list[str] = []
    drafted: int = 0
    """Drafts to be submitted, where the city's departments publish nothing without a review."""
    lines: list[ImportLine] = []
    """Resource by resource, in the order of the file."""
    earliest: date | None = None
    """The first day on which what breaks others may come into force, where the file changes such a thing."""


class ItemSource(msgspec.Struct, frozen=True):
    """Who answers for an item."""

    subject: str
    concept: str
    item: str
    resource: str
    keeper: str


class SupplyLine(msgspec.Struct, frozen=True):
    """供给清单: a resource that may be had, and on which terms."""

    id: str
    code: str
    title: str
    keeper: str
    sharing: Sharing
    condition: str
    way: str
    cycle: str
    grade: int


class ResponsibilityLine(msgspec.Struct, frozen=True):
    """责任清单: what an organisation answers for."""

    keeper: str
    resource: str
    title: str
    subject: str
    cycle: str
    legal_basis: str
    items: list[str]


class DemandWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a department needs from others (需求)."""

    title: Annotated[str, Meta(min_length=1, max_length=300)]
    purpose: Annotated[str, Meta(min_length=1, max_length=2000)]
    legal_basis: Annotated[str, Meta(min_length=1, max_length=2000)]
    items: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=200)]
    resource: ResourceId | None = None


class Demand(msgspec.Struct, frozen=True):
    """A line of the list of demands (需求清单)."""

    id: str
    organisation: str
    title: str
    purpose: str
    legal_basis: str
    items: list[str]
    resource: str | None
    state: Literal["open", "met", "refused", "withdrawn"]
    answer: str
    made_at: datetime
    changed_at: datetime


class DemandAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the keeper says to a demand."""

    state: Literal["met", "refused"]
    answer: Annotated[str, Meta(min_length=1, max_length=2000)]


class FormField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a form asks for."""

    name: Annotated[str, Meta(min_length=1, max_length=300)]
    element: str = ""
    qualifier: Name = ""


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form or a collection before it is published: what it asks for, of whom."""

    title: Annotated[str, Meta(min_length=1, max_length=300)]
    subject: str
    fields: Annotated[tuple[FormField, ...], Meta(min_length=1, max_length=1000)]


class FieldFinding(msgspec.Struct, frozen=True):
    """A field that need not be asked for: who has it, and on which terms it is shared."""

    field: str
    resource: str
    title: str
    keeper: str
    item: str
    sharing: Sharing
    authoritative: bool
    problem: str


class FormCheck(msgspec.Struct, frozen=True):
    """Whether a form may be published: not while it asks for what sharing already gives (rule R02)."""

    title: str
    publishable: bool
    findings: list[FieldFinding]


class DescriptionFault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a description, where it is."""

    field: str
    """A field of the description or, where `item` says which, of an item; empty where it is of the whole."""
    item: int | None
    """The place among the items, from 0."""
    code: str
    problem: str
    remedy: str


class ResourceTrial(msgspec.Struct, frozen=True):
    """What would become of a description if it were put now. Nothing of it is kept."""

    resource: str
    outcome: Literal["added", "changed", "unchanged", "announced", "refused"]
    reviewed: bool
    """Whether it would become a draft to be reviewed, instead of coming into force."""
    code: str
    """The code that it has, or would be given; empty where it cannot be told."""
    grade: int
    faults: list[DescriptionFault]
    changes: list[Change]
    earliest: date | None
    """Where the change breaks what others use: the first day on which it may come into force."""
    findings: list[FieldFinding]
    """Items that it does not answer for and that others share already (no second collection)."""


class GraphLine(msgspec.Struct, frozen=True):
    """`target` is made from, or checked against, `source`; `distance` is negative towards the sources."""

    source: str
    target: str
    kind: str
    distance: int


class GraphNode(msgspec.Struct, frozen=True):
    """A resource of the graph, nearest distance first counted."""

    id: str
    title: str
    keeper: str
    grade: int
    distance: int
    retired: bool


class Graph(msgspec.Struct, frozen=True):
    """Lineage around one resource: every line on the way up to what it is made from and down to what is made from it."""

    centre: str
    lines: list[GraphLine]
    nodes: list[GraphNode] = []
    """The resources that the lines join, the centre among them."""
    cut: bool = False
    """Whether there are more lines than one answer holds."""


class ReportedChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest state of one resource in a report; `record` is null once it is retired."""

    sequence: int
    id: ResourceId
    code: str
    grade: Grade
    record: ResourceWish | None


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """级联: what changed in one catalogue after a sequence. Heard twice, it changes nothing the second time."""

    catalogue: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")]
    since: int
    until: int
    changes: Annotated[tuple[ReportedChange, ...], Meta(max_length=10_000)]
    more: bool = False


class Heard(msgspec.Struct, frozen=True):
    """What became of a report."""

    catalogue: str
    until: int
    added: int
    changed: int
    retired: int
    unchanged: int
