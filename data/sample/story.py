"""What some visitors of a small shop do, whatever tool writes it down: the exports of `jobs/` tell this in their own forms."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
SHOP = "https://shop.example"
QUERIES = ["mug", "кухоль синій", 'cup 12"', "bag, leather", "日本茶", "R&D <gift>"]


@dataclass(frozen=True)
class Product:
    """A product of the shop."""

    sku: str
    name: str
    category: str
    price: float


@dataclass
class Visitor:
    """A browser; `account` is who sits before it, `known` is true once that has logged in."""

    number: int
    account: str | None
    known: bool = False
    cart: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Act:
    """Something that a visitor did: home, view, list, add, cart, checkout, buy, wish, search or login."""

    number: int
    time: datetime
    what: str
    visitor: int
    account: str | None
    user: str | None  # the account, where the visitor has logged in by now
    products: tuple[tuple[Product, int], ...] = ()  # with their quantities: the whole cart, or the one in question
    query: str | None = None

    @property
    def path(self) -> str:
        """The path of the page on which it happened."""
        first = self.products[0][0] if self.products else None
        if self.what in ("view", "add", "wish") and first:
            return f"/product/{first.sku}"
        if self.what == "list" and first:
            return f"/category/{first.category}"
        return {"cart": "/cart", "checkout": "/checkout", "buy": "/checkout/done", "login": "/login"}.get(
            self.what, "/"
        )


CATEGORIES = ("mugs", "bags", "tea")
PRODUCTS = {
    sku: Product(sku, f"{category.title()} №{number}", category, round(4 + number * 7 % 90 + 0.95, 2))
    for number in range(1, 61)
    for category in [CATEGORIES[number % 3]]
    for sku in [f"{number:05d}"]
}


def story(seed: int, count: int) -> Iterator[Act]:
    """Yield `count` acts in the order of their times; a third of the visitors never log in."""
    rng = random.Random(seed)
    visitors = [Visitor(n, f"u{n:04d}" if n % 3 else None) for n in range(1, 31)]
    time = START
    for number in range(count):
        time += timedelta(milliseconds=rng.randint(1_000, 150_000))
        visitor = rng.choice(visitors)
        what, products, query = _act(rng, visitor)
        user = visitor.account if visitor.known else None
        yield Act(number, time, what, visitor.number, visitor.account, user, products, query)


def _act(rng: random.Random, visitor: Visitor) -> tuple[str, tuple[tuple[Product, int], ...], str | None]:
    if visitor.account and not visitor.known and rng.random() < 0.6:
        visitor.known = True
        return "login", (), None
    whats = ["home", "view", "list", "add", "wish", "search"]
    weights = [20, 30, 10, 25, 8, 8]
    if visitor.cart:
        whats, weights = [*whats, "cart", "checkout", "buy"], [*weights, 40, 20, 30]
    (what,) = rng.choices(whats, weights)
    product = PRODUCTS[rng.choice(list(PRODUCTS))]
    if what == "add":
        quantity = rng.choice([1, 1, 2])
        visitor.cart[product.sku] = visitor.cart.get(product.sku, 0) + quantity
        return what, ((product, quantity),), None
    if what in ("cart", "checkout", "buy"):
        products = tuple((PRODUCTS[sku], quantity) for sku, quantity in visitor.cart.items())
        if what == "buy":
            visitor.cart.clear()
        return what, products, None
    if what == "list":
        shown = [one for one in PRODUCTS.values() if one.category == product.category]
        return what, tuple((one, 1) for one in rng.sample(shown, 4)), None
    if what == "wish":
        also = PRODUCTS[rng.choice([sku for sku in PRODUCTS if sku != product.sku])]
        return what, ((product, 1), (also, 1)) if rng.random() < 0.3 else ((product, 1),), None
    if what == "view":
        return what, ((product, 1),), None
    return what, (), rng.choice(QUERIES) if what == "search" else None
