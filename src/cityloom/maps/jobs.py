"""Timed work of maps; safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.maps.api import drawing


def draw(ctx: Context) -> None:
    """Draw the areas anew when shapes or positions have changed, and come to rest."""
    drawing.draw_settled(ctx)
