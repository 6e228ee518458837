"""The catalogue's manifest."""

from datetime import timedelta

from cityloom.catalogue import api, jobs, routes
from cityloom.catalogue.events import CatalogueChanged
from cityloom.kernel.flow.events import FlowNotice, FlowsRecounted
from cityloom.kernel.manifest import Job, Listener, Module

MODULE = Module(
    name="catalogue",
    routes=routes.ROUTES,
    jobs=(
        Job("bring_into_force", jobs.bring_into_force, timedelta(minutes=10)),
        Job("count_terms", jobs.count_terms, timedelta(days=1)),
    ),
    listeners=(
        Listener("regrade", (CatalogueChanged.topic,), jobs.regrade),
        Listener("catalogue.deadlines", (FlowNotice.topic, FlowsRecounted.topic), jobs.hear),
    ),
    install=api.install,
    check=api.check,
)
