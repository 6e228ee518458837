"""The organisations of the city: installed from its packs."""

from cityloom.identity import spec, store
from cityloom.identity.api.entry import everywhere
from cityloom.identity.contracts import Organisation, OrganisationKind
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound
from cityloom.kernel.words import Text


def listing(ctx: Context) -> list[Organisation]:
    """All organisations by code; retired ones are not active."""
    with ctx.begin() as tx:
        return [organisation_of(row) for row in store.organisations(tx)]


def find(ctx: Context, code: str) -> Organisation:
    """The one of that code. Raises NotFound `identity.organisation_missing`."""
    with ctx.begin() as tx:
        row = store.organisation(tx, code)
    if row is None:
        raise NotFound("identity.organisation_missing", organisation=code)
    return organisation_of(row)


def organisation_of(row: store.OrganisationRow) -> Organisation:
    """The organisation as others see it."""
    return Organisation(
        code=row.code,
        title=Text(en=row.title_en, zh=row.title_zh),
        kind=OrganisationKind(row.kind),
        division=row.division,
        parent=row.parent or "",
        active=row.active,
    )


def install(ctx: Context) -> None:
    """Make the packs' organisations known, and retire those that no pack declares any more. Safe to run twice."""
    declared = spec.read(ctx.packs)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        now = ctx.clock.now()
        changed = sum(
            store.put_organisation(
                tx,
                store.OrganisationRow(
                    each.code, each.title.en, each.title.zh, each.kind, each.division, each.parent or None, True
                ),
                now,
            )
            for each in declared.values()
        )
        retired = store.retire_organisations(tx, list(declared))
        if changed or retired:
            ctx.record(tx, "identity.organisations_installed", "organisation:all", changed=changed, retired=retired)
