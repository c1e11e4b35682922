"""Pages of the administration: products, their prices and their stock."""

from datetime import datetime
from typing import Any

import msgspec
from flask import render_template
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house.room import room
from till.holders import shop
from till.notes import MOST_CHARACTERS
from till.products import Wanted, change, create, deliver, locked, on_sale, remove
from till.tables import Delivery, Price, Product

from .doors import done, for_administrators, till
from .forms import amount, field, whole

_MOST_PIECES = 1_000_000


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A product."""

    id: int
    name: str
    category: str
    cents: int
    stock: int
    barcode: str


class Traced(msgspec.Struct, frozen=True):
    """A price, or a number of pieces, and since when."""

    number: int
    at: datetime


def _shown(one: Product) -> Shown:
    return Shown(
        id=one.id,
        name=one.name,
        category=one.category,
        cents=one.cents,
        stock=one.stock,
        barcode=one.barcode or "",
    )


@till.get("/administration/products")
@for_administrators
def products_page() -> str:
    """All products; a stock below zero is flagged."""
    found = room().database.transact(lambda session: [_shown(one) for one in on_sale(session)])
    return render_template("till/admin_products.html", products=found)


@till.post("/administration/products")
@for_administrators
def add_product() -> Response:
    """Something new to buy."""
    wanted, stock = _wanted(), whole("stock", 0, _MOST_PIECES)

    def work(session: Session) -> None:
        shop(session, room().desk)
        create(session, wanted, stock)

    room().database.transact(work)
    return done(f"{wanted.name} can be bought now.", "till.products_page")


@till.get("/administration/products/<int:product_id>")
@for_administrators
def product_page(product_id: int) -> str:
    """One product, with the trace of its prices and deliveries."""

    def read(session: Session) -> dict[str, Any]:
        one = locked(session, min(product_id, 2**62))
        prices = select(Price).where(Price.product_id == one.id).order_by(Price.id.desc())
        deliveries = select(Delivery).where(Delivery.product_id == one.id).order_by(Delivery.id.desc())
        return {
            "product": _shown(one),
            "prices": [Traced(row.cents, row.set_at) for row in session.execute(prices.limit(100)).scalars()],
            "deliveries": [
                Traced(row.pieces, row.at) for row in session.execute(deliveries.limit(100)).scalars()
            ],
        }

    return render_template("till/admin_product.html", **room().database.transact(read))


@till.post("/administration/products/<int:product_id>")
@for_administrators
def change_product(product_id: int) -> Response:
    """Another name, category, price or barcode; who saw the old price, is asked again."""
    wanted = _wanted()
    room().database.transact(lambda session: change(session, min(product_id, 2**62), wanted))
    return done(f"{wanted.name} is changed.", "till.product_page", product_id=product_id)


@till.post("/administration/products/<int:product_id>/delivery")
@for_administrators
def deliver_product(product_id: int) -> Response:
    """So many have come, or (below zero) were missing when somebody counted."""
    pieces = whole("pieces", -_MOST_PIECES, _MOST_PIECES)
    room().database.transact(lambda session: deliver(session, min(product_id, 2**62), pieces))
    return done("The stock is changed.", "till.product_page", product_id=product_id)


@till.post("/administration/products/<int:product_id>/remove")
@for_administrators
def remove_product(product_id: int) -> Response:
    """Sell it no more."""
    room().database.transact(lambda session: remove(session, min(product_id, 2**62)))
    return done("It is not sold any more.", "till.products_page")


def _wanted() -> Wanted:
    return Wanted(
        name=field("name", most=MOST_CHARACTERS),
        category=field("category", most=MOST_CHARACTERS),
        cents=amount("price"),
        barcode=field("barcode", most=MOST_CHARACTERS, least=0) or None,
    )
