"""How a name is written in snake_case: of columns that a format names, and of columns that an expression names."""

from __future__ import annotations

import re


def snake_case(name: str) -> str:
    """Return the snake_case of a column's name: `Customer ID` and `CustomerID` are `customer_id`."""
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"\W+", "_", name).strip("_").lower()
