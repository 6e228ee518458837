"""For what data may be asked for and read: what the city's packs declare."""

from cityloom.identity import spec
from cityloom.identity.contracts import Purpose
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid


def listing(ctx: Context) -> list[Purpose]:
    """The declared purposes by code; none when the packs leave it open."""
    found = spec.purposes(ctx.packs)
    return [Purpose(each.code, each.title, each.legal_basis) for _, each in sorted(found.items())]


def check(ctx: Context, code: str) -> None:
    """Raises Invalid `identity.purpose_undeclared` for a purpose that is not among the declared ones, if there are any."""
    found = spec.purposes(ctx.packs)
    if found and code not in found:
        raise Invalid("identity.purpose_undeclared", purpose=code, known=", ".join(sorted(found)))
