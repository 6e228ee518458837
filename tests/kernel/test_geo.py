"""Positions come back to where they were, and agree with points that are known in two systems."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.kernel import geo

EAST, NORTH = st.floats(73.0, 135.0), st.floats(18.0, 53.5)
TENTH_OF_A_MILLIMETRE = 1e-9


def test_tiananmen_is_where_the_map_providers_put_it() -> None:
    """Widely published pairs: WGS 84 116.404, 39.915 in GCJ-02, and the same numbers read as GCJ-02 in BD-09."""
    assert np.allclose(geo.wgs84_to_gcj02(116.404, 39.915), (116.41024449916938, 39.91640428150164), atol=1e-12)
    assert np.allclose(geo.gcj02_to_bd09(116.404, 39.915), (116.41036949371029, 39.92133699351022), atol=1e-12)


def test_the_shift_in_the_south_is_the_one_that_was_measured() -> None:
    """Two sets of shapes of one city, one in each system, fit after a shift of 0.005 degrees east and 0.0027 south."""
    east, north = geo.wgs84_to_gcj02(114.05, 22.55)
    assert east - 114.05 == pytest.approx(0.0051, abs=1e-4)
    assert north - 22.55 == pytest.approx(-0.0027, abs=1e-4)


@given(EAST, NORTH)
def test_gcj02_comes_back(longitude: float, latitude: float) -> None:
    back = geo.gcj02_to_wgs84(*geo.wgs84_to_gcj02(longitude, latitude))
    assert np.abs(np.subtract(back, (longitude, latitude))).max() < TENTH_OF_A_MILLIMETRE


@given(EAST, NORTH)
def test_bd09_comes_back(longitude: float, latitude: float) -> None:
    back = geo.bd09_to_gcj02(*geo.gcj02_to_bd09(longitude, latitude))
    assert np.abs(np.subtract(back, (longitude, latitude))).max() < TENTH_OF_A_MILLIMETRE


@given(
    EAST, NORTH, st.sampled_from(["wgs84", "cgcs2000", "gcj02", "bd09"]), st.sampled_from(["wgs84", "gcj02", "bd09"])
)
def test_any_system_comes_back_from_any_other(
    longitude: float, latitude: float, source: geo.System, target: geo.System
) -> None:
    there = geo.convert(longitude, latitude, source, target)
    back = geo.convert(*there, target, source)
    assert np.abs(np.subtract(back, (longitude, latitude))).max() < TENTH_OF_A_MILLIMETRE
    moved = np.abs(np.subtract(there, (longitude, latitude))).max()
    assert moved < 0.03
    assert (moved == 0) == ({source, target} <= {"wgs84", "cgcs2000"} or source == target)


def test_arrays_keep_their_shape_and_single_points_agree() -> None:
    longitude, latitude = np.meshgrid(np.linspace(75, 134, 7), np.linspace(19, 53, 5))
    east, north = geo.convert(longitude, latitude, "bd09", "wgs84")
    assert east.shape == north.shape == (5, 7)
    one = geo.convert(longitude[2, 3], latitude[2, 3], "bd09", "wgs84")
    assert one == (pytest.approx(east[2, 3], abs=1e-12), pytest.approx(north[2, 3], abs=1e-12))


@pytest.mark.parametrize("position", [(2.35, 48.86), (151.2, -33.9), (140.0, 36.0), (100.0, 0.5)])
def test_outside_of_china_gcj02_is_wgs84(position: tuple[float, float]) -> None:
    assert geo.wgs84_to_gcj02(*position) == position
    assert geo.gcj02_to_wgs84(*position) == position
