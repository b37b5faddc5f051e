"""Event rules: a type takes its own keys, needs its required fields, and sends no parameter twice (API text)."""

import pytest
from job_example import DESIGN, changed, event, job, mistakes, small

CART = "type: cartUpdated\nproducts: {productId: sku, quantity: 1, price: price}\nrecycleStateId: cart"


def test_the_keys_of_a_type_become_its_part_and_scalars():
    rule = job(DESIGN).events[1]
    assert (rule.part_name, rule.part) == (
        "product",
        {"productId": "sku", "price": "price", "isInStock": "in_stock", "colour": "colour"},
    )
    assert rule.scalars == {"currencyCode": "currency"}


def test_types_without_a_part_have_none():
    search, custom = job(DESIGN).events[5], job(DESIGN).events[7]
    assert (search.part_name, search.part, search.scalars) == (None, None, {"search": "query", "isFound": "hits > 0"})
    assert (custom.part_name, custom.part, custom.params) == (None, None, {"coupon": "coupon_code"})


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        ("type: pageViewed", {"page"}),
        ("type: pageViewed\npage: {}", {"page.location"}),
        ("type: pageViewed\npage: {location: null}", {"page.location"}),
        ("type: productViewed\nproduct: {colour: c}", {"product.productId", "product.price"}),
        ("type: productCategoryViewed\ncategory: {}", {"category.productCategoryId"}),
        ("type: productAddedToWishlist\nproduct: {price: p}", {"product.productId"}),
        ("type: searchRequest", {"search"}),
        ("type: cartUpdated\nproducts: {productId: s}", {"products.quantity", "products.price", "recycleStateId"}),
        ("type: productImpressions\nproducts: {}", {"products.productId", "recomVariantId"}),
    ],
)
def test_a_required_field_that_is_not_mapped_is_a_mistake(rule, missing):
    found = mistakes(event(rule))
    assert set(found) == {f"events[0].{key}" for key in missing}
    assert all(message.startswith("is missing; ") for message in found.values())


def test_products_carry_further_properties_and_a_page_does_not():
    found = mistakes(event("type: pageViewed\npage: {location: url, title: title}"))
    assert found == {"events[0].page.title": "`page` takes location only"}
    assert job(event("type: productViewed\nproduct: {productId: a, price: 1, colour: c}")).events[0].part == {
        "productId": "a",
        "price": "1",
        "colour": "c",
    }


def test_a_field_that_differs_by_case_only_is_a_slip_and_no_property():
    found = mistakes(event("type: productViewed\nproduct: {productid: a, price: 1}"))
    assert found == {
        "events[0].product.productid": "`productid`"
        " differs from the API's field `productId` by case only; write productId"
    }


def test_a_property_has_a_plain_name():
    assert (
        "is not a name"
        in mistakes(event("type: productViewed\nproduct: {productId: a, price: 1, 'x y': 2}"))["events[0].product.x y"]
    )


def test_another_types_key_says_whose_it_is():
    found = mistakes(event("type: productViewed\nproduct: {productId: a, price: 1}\npage: {location: url}"))
    assert found == {
        "events[0].page": "productViewed takes no `page` (that is of pageViewed); it takes `product`, `currencyCode`"
    }


@pytest.mark.parametrize("key", ["lines: [a]", "cleared: a", "repeats: keep"])
def test_lines_are_for_types_of_several_lines(key):
    found = mistakes(event(f"type: pageViewed\npage: {{location: url}}\n{key}"))
    assert found[f"events[0].{key.split(':')[0]}"].startswith("pageViewed has no lines")


def test_an_unknown_type_asks_for_custom_and_for_nothing_else():
    found = mistakes(event("type: pageViewd\npage: {location: url}"))
    assert set(found) == {"events[0].type"}
    assert "did you mean `pageViewed`?" in found["events[0].type"]
    assert "`custom: true`" in found["events[0].type"]


def test_a_custom_type_takes_params_only():
    rule = job(event("type: couponSeen\ncustom: true\nparams: {coupon: c}")).events[0]
    assert (rule.custom, rule.params) == (True, {"coupon": "c"})
    found = mistakes(event("type: couponSeen\ncustom: true\nproduct: {productId: a}"))
    assert found["events[0].product"].endswith("it takes `params` only")


def test_custom_is_not_for_the_apis_own_types_however_they_are_written():
    assert set(mistakes(event("type: pageViewed\ncustom: true\npage: {location: url}"))) == {"events[0].custom"}
    assert "write pageViewed" in mistakes(event("type: PageViewed\ncustom: true"))["events[0].type"]


@pytest.mark.parametrize("kind", ["a" * 101, "'a;b'", "'a/b'", '"it\'s"', "'a,b'", "'a>b'", "' a'", "''", "[a]"])
def test_the_key_of_a_type_obeys_the_api(kind):
    assert "events[0].type" in mistakes(event(f"type: {kind}\ncustom: true"))


def test_a_type_of_a_hundred_characters_is_allowed():
    assert job(event(f"type: {'a' * 100}\ncustom: true")).events[0].type == "a" * 100


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("params: {email: x}", "is a locator"),
        ("params: {Email: x}", "is a locator"),
        ("params: {Contact_Key: x}", "is a locator"),
        ("params: {SMS: x}", "is a locator"),
        ("params: {currencyCode: x}", "write it beside `type`"),
        ("params: {product: x}", "write it beside `type`"),
        (f"params:\n  {'p' * 101}: x", "allows 100 characters"),
    ],
)
def test_no_parameter_is_sent_twice_or_under_too_long_a_name(rule, words):
    found = mistakes(event(f"type: productViewed\nproduct: {{productId: a, price: 1}}\n{rule}"))
    assert len(found) == 1
    assert words in next(iter(found.values()))


def test_the_parameter_of_the_time_is_none_that_an_event_has():
    text = changed("time_param: null", "time_param: coupon")
    assert mistakes(text) == {"delivery.time_param": "couponSeen has a parameter `coupon` already; choose another name"}
    assert job(changed("time_param: null", "time_param: eventTime")).delivery.time_param == "eventTime"
    assert "locator" in mistakes(changed("time_param: null", "time_param: EMAIL"))["delivery.time_param"]


def test_the_products_of_a_row_may_be_a_list():
    rule = job(event(CART.replace("{productId: sku", "{each: items, productId: item.sku"))).events[0]
    assert rule.part_each == "items"
    assert rule.part == {"productId": "item.sku", "quantity": "1", "price": "price"}


def test_lines_of_a_cart_are_rows_or_elements_and_not_both():
    found = mistakes(event(CART.replace("{productId", "{each: items, productId") + "\nlines: [cart]"))
    assert "either rows (`lines`) or the elements of a list (`each`)" in found["events[0].products.each"]


def test_an_event_for_each_element_holds_no_list_of_products_of_its_own():
    found = mistakes(event(CART.replace("{productId", "{each: items, productId") + "\neach: carts"))
    assert "both call their element `item`" in found["events[0].products.each"]


def test_a_cart_without_lines_and_each_is_one_row():
    rule = job(event(CART)).events[0]
    assert (rule.lines, rule.part_each, rule.repeats, rule.many) == (None, None, "drop", True)


def test_lines_may_be_one_expression():
    assert job(event(CART + "\nlines: cart")).events[0].lines == ("cart",)


def test_a_rule_that_only_clears_carts_maps_no_products():
    rule = job(event("type: cartUpdated\ncleared: true\nrecycleStateId: cart")).events[0]
    assert (rule.part, rule.cleared) == ({}, "true")
    assert "events[0].products" in mistakes(event("type: cartUpdated\ncleared: a = 1\nrecycleStateId: cart"))


def test_an_event_must_be_able_to_have_a_contact():
    assert set(mistakes(small().replace("contact: {email: email}\n", ""))) == {"contact"}
    assert job(small(key_value="visitor").replace("contact: {email: email}\n", "")).key_value == "visitor"
    rule = "type: pageViewed\npage: {location: url}\ncontact: {email: null}"
    assert set(mistakes(event(rule))) == {"events[0].contact"}


@pytest.mark.parametrize(
    ("wrong", "meant"), [("emailAddress", "email"), ("sms", "phone"), ("externalcustomerid", "externalCustomerId")]
)
def test_a_locator_by_another_name_is_led_to_its_own(wrong, meant):
    assert mistakes(small().replace("{email: email}", f"{{{wrong}: x}}"))[f"contact.{wrong}"].endswith(
        f"did you mean `{meant}`?"
    )


def test_an_events_own_time_takes_from_the_jobs_what_it_leaves_open():
    base = small(time="{column: t, zone: Europe/Kyiv, format: '%d.%m.%Y'}")

    def time_of(own: str):
        return job(base.replace("page: {location: url}", f"page: {{location: url}}\n    time: {own}")).events[0].time

    assert (time_of("at").column, time_of("at").zone, time_of("at").format) == ("at", "Europe/Kyiv", "%d.%m.%Y")
    other = time_of("{column: at, zone: UTC, format: null}")
    assert (other.column, other.zone, other.format) == ("at", "UTC", None)
    assert job(base).events[0].time is None


def test_a_wrong_zone_of_the_job_is_told_once():
    base = small(time="{column: t, zone: Nowhere}")
    assert set(mistakes(base.replace("page: {location: url}", "page: {location: url}\n    time: at"))) == {"time.zone"}


@pytest.mark.parametrize("kind", ["orderCreated", "orderUpdated", "orderDelivered", "OrderCancelled"])
def test_an_order_is_never_sent_as_a_type_of_ones_own(kind):
    told = mistakes(event(f"type: {kind}\ncustom: true"))
    assert "is a type of the API" in told["events[0].type"]
