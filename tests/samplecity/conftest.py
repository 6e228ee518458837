"""A small city of each pack, planned and delivered once for all tests here."""

import pytest
from city_kit import AS_OF, CITIES, PEOPLE, ROOT, SEED, Delivered

from cityloom.kernel import packs
from cityloom.samplecity import api


@pytest.fixture(scope="session", params=CITIES)
def delivered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    """Everything that a city of 10,000 people delivers."""
    folder = tmp_path_factory.mktemp(request.param)
    chosen = packs.choose([ROOT / "packs"], request.param)
    plan = api.plan(ROOT / "packs" / request.param, PEOPLE, SEED, AS_OF)
    files = list(api.deliveries(plan, folder))
    return Delivered(request.param, plan, files, [pack.folder for pack in chosen])
