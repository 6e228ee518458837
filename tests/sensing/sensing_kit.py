"""Two departments with devices behind the SensorThings door, in this process."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from litestar.testing import TestClient

from cityloom.identity.api import services
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context

RIGHTS = (
    "sensing.read", "sensing.observe", "sensing.register", "sensing.clear", "sensing.approve", "sensing.issue",
)  # fmt: skip
TABLES = (
    "things", "locations", "thing_locations", "historical_locations", "historical_location_places", "sensors",
    "observed_properties", "datastreams", "datastream_properties", "features", "datastream_features", "observations",
    "latest", "cold_streams", "corrections", "history",
)  # fmt: skip
POINT = {"type": "Point", "coordinates": [114.05, 22.55]}
UNIT = {"name": "degree Celsius", "symbol": "°C", "definition": "http://unitsofmeasure.org/ucum.html#para-30"}
MEASURED = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
SENSOR = {
    "name": "DHT22",
    "description": "thermometer",
    "encodingType": "application/pdf",
    "metadata": "https://x.example/dht22",
}
PROPERTY = {"name": "temperature", "description": "of the air", "definition": "https://x.example/temperature"}
COMPLEX = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation"


def place(name: str = "roof", at: Mapping[str, Any] = POINT) -> dict[str, Any]:
    return {"name": name, "description": name, "encodingType": "application/geo+json", "location": at}


def feature(name: str = "air", at: Mapping[str, Any] = POINT) -> dict[str, Any]:
    return {"name": name, "description": name, "encodingType": "application/geo+json", "feature": at}


def stream(name: str = "t", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "description": name, "observationType": MEASURED, "unitOfMeasurement": UNIT, "Sensor": SENSOR,
        "ObservedProperty": PROPERTY, **more,
    }  # fmt: skip


def multi(name: str = "m", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "description": name, "observationType": COMPLEX, "unitOfMeasurements": [UNIT, UNIT],
        "multiObservationDataTypes": [MEASURED, MEASURED], "Sensor": SENSOR,
        "ObservedProperties": [PROPERTY, {**PROPERTY, "name": "humidity"}], **more,
    }  # fmt: skip


def thing(name: str = "station", **more: Any) -> dict[str, Any]:
    return {"name": name, "description": name, **more}


def station(name: str = "station", **more: Any) -> dict[str, Any]:
    """A Thing with its place and one Datastream."""
    return thing(name, **{"Locations": [place()], "Datastreams": [stream()], **more})


class Door:
    """The door as a program of one organisation."""

    def __init__(
        self,
        client: "TestClient[Any]",
        parts: Parts,
        organisation: str,
        root: str = "/v1.1",
        rights: Sequence[str] = RIGHTS,
    ) -> None:
        self.client, self.parts, self.organisation, self.root = client, parts, organisation, root
        self.made = services.issue(platform_context(parts, "test"), organisation, rights)
        self.headers = {"authorization": f"Bearer {self.made.secret}", "accept-language": "en"}

    def send(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        headers = {**self.headers, **how.pop("headers", {})}
        url = path if path.startswith(("http", "/")) else f"{self.root}/{path}"
        return self.client.request(method, url, json=body, headers=headers, **how)

    def get(self, path: str, status: int = 200) -> Any:
        """The document at a path."""
        answer = self.send("GET", path)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> int:
        """Make an entity; its id."""
        answer = self.send("POST", path, body)
        assert answer.status_code == 201, answer.text
        link = answer.headers["location"]
        return int(link[link.rindex("(") + 1 : -1])

    def refused(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, str]:
        """Status and code of a problem."""
        answer = self.send(method, path, body, **how)
        assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
        return answer.status_code, answer.json()["code"].removeprefix("sensing.")

    def names(self, path: str, of: str = "name") -> list[Any]:
        """The values of one property of a set."""
        return [each[of] for each in self.get(path)["value"]]


def kept(admin_url: str) -> dict[str, list[Any]]:
    """All rows of sensing: what a refused act must leave as it was."""
    with psycopg.connect(admin_url) as connection:
        return {
            table: connection.execute(f"SELECT t::text FROM sensing.{table} t ORDER BY 1".encode()).fetchall()
            for table in TABLES
        }
