"""History in the lake: what the door answers does not depend on which side an observation is on."""

from sensing.conftest import City
from sensing.sensing_kit import Door, station
from cityloom.kernel.jobs import platform_context
from cityloom.sensing.api import keeping


def test_first(town: City) -> None:
    civil = town.civil
    id = civil.post("Things", station("h"))
    [stream] = civil.names(f"Things({id})/Datastreams", "@iot.id")
    rows = [[f"2026-01-01T0{n}:00:00Z", n / 2] for n in range(5)]
    links = civil.send(
        "POST",
        "CreateObservations",
        [{"Datastream": {"@iot.id": stream}, "components": ["phenomenonTime", "result"], "dataArray": rows}],
    ).json()
    path = f"Datastreams({stream})/Observations?$orderby=phenomenonTime desc&$top=3&$count=true&$filter=result ge 1"
    before = civil.get(path)
    town.clock.turn(days=5)
    ctx = platform_context(town.parts, "test")
    import time

    t = time.time()
    print(keeping.move(ctx), time.time() - t)
    assert civil.get(path) == before
    civil.send("PATCH", links[2], {"result": 7})
    print(civil.get(path))
    print(civil.get(links[2]))
    town.clock.turn(hours=1)
    keeping.drop(ctx)
    print(civil.get(path))
    print(keeping.write_corrections(ctx))
    print(civil.get(path))
    civil.send("DELETE", links[1])
    print(civil.get(f"Datastreams({stream})/Observations/$count"))
    keeping.write_corrections(ctx)
    keeping.tidy(ctx)
    print(civil.get(f"Datastreams({stream})/Observations"))
    print(civil.get(f"Datastreams({stream})?$expand=Observations($orderby=phenomenonTime desc;$top=1)"))
    assert 0
