"""Finds packs, decides which are on for a city, and hands each of their folders to the module of that name."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal, TypeVar

import msgspec
import yaml

from cityloom.kernel.errors import Invalid, NotFound
from cityloom.kernel.settings import Settings
from cityloom.kernel.words import Text

Kind = TypeVar("Kind")
Level = Literal["bronze", "silver", "gold"]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pack.yaml: what a pack is and which packs it stands on."""

    name: str
    title: Text
    version: str
    keeper: str
    level: Level = "bronze"
    needs: tuple[str, ...] = ()
    standards: tuple[str, ...] = ()
    city: bool = False


class Pack(msgspec.Struct, frozen=True):
    """One pack on disk."""

    manifest: Manifest
    folder: Path

    @property
    def name(self) -> str:
        return self.manifest.name

    def files(self, module: str, ending: str = ".yaml") -> list[Path]:
        """The pack's files for a module, by name."""
        return sorted((self.folder / module).glob(f"*{ending}"))


class Packs(msgspec.Struct, frozen=True):
    """The packs that are on, each after those it needs."""

    order: tuple[Pack, ...]

    def __iter__(self) -> Iterator[Pack]:
        return iter(self.order)

    def named(self, name: str) -> Pack:
        """The pack of that name. Raises NotFound `kernel.pack_missing`."""
        for pack in self.order:
            if pack.name == name:
                return pack
        raise NotFound("kernel.pack_missing", pack=name, known=", ".join(pack.name for pack in self.order))

    def read(self, module: str, kind: type[Kind], ending: str = ".yaml") -> dict[str, Kind]:
        """Every file of the module's folders, decoded; names are unique over all packs.

        Raises Invalid `kernel.pack_wrong` naming the file and the fault.
        """
        found: dict[str, Kind] = {}
        for pack in self.order:
            for path in pack.files(module, ending):
                if path.stem in found:
                    raise Invalid(
                        "kernel.pack_wrong", file=str(path), reason=f"another pack has a {module} named {path.stem}"
                    )
                found[path.stem] = decode(path, kind)
        return found


def shipped() -> Path:
    """Folder of the packs that come with the product, installed or in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "packs"
    return installed if installed.is_dir() else package.parent.parent / "packs"


def folders(settings: Settings) -> list[Path]:
    """Where packs are looked for: the shipped ones, then the city's own, which win."""
    return [shipped(), *(Path(part).expanduser().absolute() for part in settings.packs.split(":") if part)]


def available(places: Sequence[Path]) -> dict[str, Pack]:
    """Every pack in these folders by name. A folder may also be a pack itself."""
    found: dict[str, Pack] = {}
    for place in places:
        for path in sorted([place / "pack.yaml", *place.glob("*/pack.yaml")]):
            if path.is_file():
                pack = Pack(decode(path, Manifest), path.parent)
                found[pack.name] = pack
    return found


def choose(places: Sequence[Path], city: str, extra: Sequence[str] = ()) -> Packs:
    """The city's pack and all that it needs, the needed ones first.

    Raises NotFound `kernel.pack_missing`, Invalid `kernel.pack_wrong` for packs that need each other.
    """
    known = available(places)
    order: dict[str, Pack] = {}
    for name in (city, *extra):
        _add(name, known, order, ())
    return Packs(tuple(order.values()))


def _add(name: str, known: Mapping[str, Pack], order: dict[str, Pack], path: tuple[str, ...]) -> None:
    if name in order:
        return
    if name not in known:
        raise NotFound("kernel.pack_missing", pack=name, known=", ".join(sorted(known)))
    if name in path:
        circle = " → ".join([*path, name])
        raise Invalid(
            "kernel.pack_wrong", file=str(known[name].folder / "pack.yaml"), reason=f"needs go in a circle: {circle}"
        )
    for needed in known[name].manifest.needs:
        _add(needed, known, order, (*path, name))
    order[name] = known[name]


def model(pack: Pack, name: str) -> ModuleType:
    """The pack's `models/<name>.py`, loaded: pure functions from tables to tables, which do no I/O.

    The one place where code is loaded by name, because a pack is not part of the program. The module is listed as
    `cityloom_packs.<pack>.<name>` so that its structs can be read from text; the same file is loaded once.
    Raises NotFound `kernel.model_missing`.
    """
    path = pack.folder / "models" / f"{name}.py"
    known = f"cityloom_packs.{pack.name}.{name}"
    loaded = sys.modules.get(known)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(known, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        models = ", ".join(file.stem for file in pack.files("models", ".py"))
        raise NotFound("kernel.model_missing", pack=pack.name, model=name, known=models)
    found = importlib.util.module_from_spec(spec)
    sys.modules[known] = found
    try:
        spec.loader.exec_module(found)
    except BaseException:
        del sys.modules[known]  # half a module is none
        raise
    return found


class Loader(yaml.CSafeLoader):
    """YAML in which a date is read by whoever expects one, quoted or not, and stays text for all others."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def decode(path: Path, kind: type[Kind]) -> Kind:
    """One YAML file as `kind`; unknown keys are refused. Raises Invalid `kernel.pack_wrong`."""
    try:
        return msgspec.convert(yaml.load(path.read_bytes(), Loader), kind)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, msgspec.ValidationError, OSError) as error:
        raise Invalid("kernel.pack_wrong", file=str(path), reason=str(error)) from error
