"""Turns positions between CGCS2000 (WGS 84), the encrypted GCJ-02 of Chinese web maps and Baidu's BD-09.

A position is longitude and latitude in degrees, east and north. CGCS2000 and WGS 84 differ by centimetres and are one
here; the product keeps nothing but them. GCJ-02 and BD-09 have no published definition: the formulas are those that
circulate, and agree with map providers to about a metre. The way back is found by iteration, to better than 1e-9
degrees (a tenth of a millimetre).
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Degrees = NDArray[np.float64]
Position = tuple[Degrees, Degrees]
System = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]

WEST, EAST, SOUTH, NORTH = 72.004, 137.8347, 0.8293, 55.8271
"""Outside of this box GCJ-02 does not shift positions."""

_AXIS = 6378245.0
"""Semi-major axis of the Krasovsky ellipsoid in metres, which GCJ-02 uses to turn metres into degrees."""
_ECCENTRICITY = 0.00669342162296594323
_BAIDU = np.pi * 3000.0 / 180.0
_STEPS = 30


def convert(longitude: ArrayLike, latitude: ArrayLike, source: System, target: System) -> Position:
    """The positions, given in `source`, in `target`. Arrays of one shape in, arrays of that shape out."""
    position = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
    if _same(source, target):
        return position
    if source == "bd09":
        position = bd09_to_gcj02(*position)
    elif source != "gcj02":
        position = wgs84_to_gcj02(*position)
    if target == "bd09":
        return gcj02_to_bd09(*position)
    return position if target == "gcj02" else gcj02_to_wgs84(*position)


def wgs84_to_gcj02(longitude: ArrayLike, latitude: ArrayLike) -> Position:
    """GCJ-02 positions of WGS 84 ones; those outside of China stay as they are."""
    lon, lat = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
    east, north = _shift(lon, lat)
    return lon + east, lat + north


def gcj02_to_wgs84(longitude: ArrayLike, latitude: ArrayLike) -> Position:
    """WGS 84 positions of GCJ-02 ones, so that `wgs84_to_gcj02` gives them back."""
    lon, lat = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
    guess = lon.copy(), lat.copy()
    for _ in range(_STEPS):  # the shift changes by less than a tenth of the distance, so each step gains a digit
        east, north = _shift(*guess)
        guess = lon - east, lat - north
    return guess


def gcj02_to_bd09(longitude: ArrayLike, latitude: ArrayLike) -> Position:
    """BD-09 positions of GCJ-02 ones."""
    lon, lat = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
    radius = np.hypot(lon, lat) + 2e-5 * np.sin(lat * _BAIDU)
    angle = np.arctan2(lat, lon) + 3e-6 * np.cos(lon * _BAIDU)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def bd09_to_gcj02(longitude: ArrayLike, latitude: ArrayLike) -> Position:
    """GCJ-02 positions of BD-09 ones, so that `gcj02_to_bd09` gives them back."""
    lon, lat = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
    guess = lon - 0.0065, lat - 0.006
    for _ in range(_STEPS):
        east, north = gcj02_to_bd09(*guess)
        guess = guess[0] + lon - east, guess[1] + lat - north
    return guess


def _same(source: System, target: System) -> bool:
    plain = ("wgs84", "cgcs2000")
    return source == target or (source in plain and target in plain)


def _shift(lon: Degrees, lat: Degrees) -> Position:
    """How far GCJ-02 moves a WGS 84 position, in degrees; nothing outside of China."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    short = (20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + short
    north += (20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi * y / 3.0)) * 2.0 / 3.0
    north += (160.0 * np.sin(np.pi * y / 12.0) + 320.0 * np.sin(np.pi * y / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + short
    east += (20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi * x / 3.0)) * 2.0 / 3.0
    east += (150.0 * np.sin(np.pi * x / 12.0) + 300.0 * np.sin(np.pi * x / 30.0)) * 2.0 / 3.0
    angle = np.radians(lat)
    flat = 1.0 - _ECCENTRICITY * np.sin(angle) ** 2
    degrees_east = np.degrees(east * np.sqrt(flat) / (_AXIS * np.cos(angle)))
    degrees_north = np.degrees(north * flat * np.sqrt(flat) / (_AXIS * (1.0 - _ECCENTRICITY)))
    inside = (lon >= WEST) & (lon <= EAST) & (lat >= SOUTH) & (lat <= NORTH)
    return np.where(inside, degrees_east, 0.0), np.where(inside, degrees_north, 0.0)
