"""No second collection (R02): which fields of a form sharing gives already."""

from collections.abc import Mapping

from cityloom.catalogue.contracts import Form, FormField, ResourceWish
from cityloom.catalogue.rules.claims import Elements, concepts, concepts_of


def holders(
    form: Form, resources: Mapping[str, ResourceWish], elements: Elements, own: str
) -> list[tuple[FormField, str, int]]:
    """For each field that another organisation shares already: the resource to take it from, and which of its items.

    The source that has claimed the item goes before others that merely have it, and freer sharing before narrower.
    """
    offers: dict[str, list[tuple[tuple[bool, bool, str], str, int]]] = {}
    for id, wish in resources.items():
        if wish.keeper == own or wish.sharing == "refused" or wish.subject != form.subject:
            continue
        for place, item in enumerate(wish.items):
            rank = (not item.authoritative, wish.sharing != "unconditional", id)
            for each in concepts(item, elements):
                offers.setdefault(each.concept, []).append((rank, id, place))
    found = []
    for field in form.fields:
        keys = concepts_of(field.name, field.element, field.qualifier, elements)
        best = min((offer for key in keys for offer in offers.get(key, [])), default=None)
        if best is not None:
            found.append((field, best[1], best[2]))
    return found
