"""Products: their prices leave a trace, and so does what comes into the stock."""

from datetime import UTC, datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house.problems import Problem

from .tables import Delivery, Price, Product


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the administration says of a product."""

    name: str
    category: str
    cents: int
    barcode: str | None


def on_sale(session: Session) -> list[Product]:
    """All products that can be bought, by category and name."""
    wanted = select(Product).where(Product.removed_at.is_(None))
    return list(
        session.execute(wanted.order_by(func.lower(Product.category), func.lower(Product.name))).scalars()
    )


def by_barcode(session: Session, code: str) -> Product | None:
    """The product on which somebody found it."""
    wanted = select(Product).where(Product.barcode == code, Product.removed_at.is_(None))
    return session.execute(wanted).scalar_one_or_none()


def create(session: Session, wanted: Wanted, stock: int) -> int:
    """A new product.  Raises Problem NAME_TAKEN, BARCODE_TAKEN."""
    _check(session, wanted, None)
    product = Product(stock=0, **msgspec.structs.asdict(wanted))
    session.add(product)
    session.flush()
    session.add(Price(product_id=product.id, cents=wanted.cents))
    deliver(session, product.id, stock)
    return product.id


def change(session: Session, product_id: int, wanted: Wanted) -> None:
    """Another name, category, barcode or price.  Raises Problem NAME_TAKEN, BARCODE_TAKEN, NOT_FOUND."""
    product = locked(session, product_id)
    _check(session, wanted, product_id)
    if product.cents != wanted.cents:
        session.add(Price(product_id=product_id, cents=wanted.cents))
    for name, value in msgspec.structs.asdict(wanted).items():
        setattr(product, name, value)


def deliver(session: Session, product_id: int, pieces: int) -> None:
    """So many pieces have come, or (below zero) were missing."""
    if pieces:
        product = locked(session, product_id)
        product.stock += pieces
        session.add(Delivery(product_id=product_id, pieces=pieces))


def remove(session: Session, product_id: int) -> None:
    """Sell it no more."""
    locked(session, product_id).removed_at = datetime.now(UTC)


def locked(session: Session, product_id: int) -> Product:
    """A product that nobody else changes before this transaction ends.  Raises Problem NOT_FOUND."""
    wanted = select(Product).where(Product.id == product_id, Product.removed_at.is_(None))
    locked_ = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = session.execute(locked_).scalar_one_or_none()
    if found is None:
        raise Problem("NOT_FOUND")
    return found


def _check(session: Session, wanted: Wanted, product_id: int | None) -> None:
    is_other = (Product.removed_at.is_(None), Product.id != (product_id or 0))
    same_name = select(Product.id).where(func.lower(Product.name) == wanted.name.lower(), *is_other)
    if session.execute(same_name).first():
        raise Problem("NAME_TAKEN", "Another product is called so.")
    same_code = select(Product.id).where(Product.barcode == wanted.barcode, *is_other)
    if wanted.barcode is not None and session.execute(same_code).first():
        raise Problem("BARCODE_TAKEN")
