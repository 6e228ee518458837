"""A dataset as an information resource of the catalogue."""

from cityloom.catalogue.contracts import Item, ResourceWish
from cityloom.exchange.spec import ResolvedDataset, ResolvedField


def wish(dataset: ResolvedDataset) -> ResourceWish:
    """The dataset by the compilation guide; its id, category and code are the catalogue's to give."""
    return ResourceWish(
        title=dataset.title,
        keeper=dataset.keeper,
        items=tuple(_item(field) for field in dataset.fields),
        sharing=dataset.sharing,
        summary=dataset.summary,
        subject=dataset.class_,
        legal_basis=dataset.legal_basis,
        refusal_law=dataset.refusal_law,
        sharing_way="exchange",
        cycle=dataset.update.every,
        carrier="database",
    )


def _item(field: ResolvedField) -> Item:
    return Item(
        name=field.title,
        type=field.type,
        length=field.max_length,
        element=field.element or "",
        qualifier=field.qualifier,
        grade=field.grade,
        personal=field.personal,
        required=field.required,
        authoritative=field.authoritative,
        standard=field.standard,
    )
