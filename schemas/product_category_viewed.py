"""productCategoryViewed: a contact views the products of a category (API text, table of productCategoryViewed)."""

from __future__ import annotations

from schemas.columns import Text, Texts, own_properties, required_text
from schemas.match import Match


class ProductCategoryViewed(Match):
    """`category` is required, with `productCategoryId`.

    The table has no properties of one's own; nothing in it forbids them either, so they pass.
    """

    product_category_id: Text = required_text("category.productCategoryId")
    own: Texts = own_properties("category", beside=("productCategoryId",))
