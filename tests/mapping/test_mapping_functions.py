"""The functions for URLs, paths, queries and cookies: what Python's urllib says of them, on any text, and never an error."""

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote, unquote, unquote_plus, urlsplit

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_job import HEAD, failures, faults, job_of, map_rows, values

from etl.job.read import JobMistakes
from etl.mapping import functions
from etl.mapping.expression import ExpressionError, Scope, parse
from etl.mapping.names import Names
from etl.sql import connect, fetch

some = settings(max_examples=50, deadline=None)

SCOPE = Scope(Names(["v", "pattern", "url"]))
CALLS = [
    "path_param(v, '/{a}')",
    "path_param(v, '/a/{b...}')",
    "path_param(v, '/ї q/{b}-{c}.html', 'c')",
    "query_param(v, 'q')",
    "query_param(v, 'a b[ї]')",
    "cookie(v, 'q')",
    "url_path(v)",
    "url_host(v)",
    "url_clean(v, ['q', 'a b'])",
    "url_clean(v, [])",
]


@pytest.fixture(scope="module")
def sql() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(memory="200MB", threads=1) as connection:
        functions.create(connection)
        yield connection


def gives(sql: duckdb.DuckDBPyConnection, expression: str, texts: Sequence[str | None]) -> list[str | None]:
    sql.register("texts", pa.table({"v": pa.array(texts, pa.string())}))
    found: list[str | None] = fetch(sql, f"SELECT {parse(expression, SCOPE, sql).sql} AS x FROM texts")["x"].to_pylist()
    return found


def decoded(text: str, unquoted: Callable[..., str] = unquote) -> str | None:
    """What percent signs stand for; a text that is no UTF-8 then stays as it is, and a blank one is null."""
    try:
        plain = unquoted(text, errors="strict")
    except UnicodeDecodeError:
        plain = text
    return plain if plain.strip(" \t\r\n") else None


PIECES = ["a", "q", "1", "E", "9", "ї", "=", "&", "+", "%", "%20", "%2B", "%2f", "%26", "%71", "%d1%97", "%D1", "%E9", "%ED%A0%80",
          "%C0%80", "%F4%8F%BF%BF", "%F4%90%80%80", "%E2%82%AC", "%80", "%00", "%zz", "%4", " ", '"', "[", "]", ";", ":", "@", ".", "-",
          "👍", "\x00", "\x7f"]  # fmt: skip
written = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
anything = st.lists(
    st.sampled_from([*PIECES, "/", "?", "#", "\\", "\n", "\t", "https://", "q=", "?q=", "&q="]), max_size=14
)
texts = st.lists(st.one_of(st.none(), anything.map("".join), st.text(max_size=20)), max_size=20)


@some
@given(found=texts)
def test_no_text_makes_a_function_fail_and_null_gives_null(
    sql: duckdb.DuckDBPyConnection, found: list[str | None]
) -> None:
    for call in CALLS:
        results = gives(sql, call, [*found, None])
        assert results[-1] is None
        assert all(result is None or result != "" for result in results)


@some
@given(found=st.lists(written, min_size=1, max_size=20))
def test_a_value_of_a_path_is_what_urllib_decodes(sql: duckdb.DuckDBPyConnection, found: list[str]) -> None:
    assert gives(sql, "path_param(v, '/p/{sku}')", [f"/p/{text}" for text in found]) == [decoded(t) for t in found]


@some
@given(value=st.text(min_size=1), before=st.text(min_size=1), safe=st.sampled_from(["", " +;=", "ї/"]))
def test_what_is_encoded_into_a_path_comes_out(
    sql: duckdb.DuckDBPyConnection, value: str, before: str, safe: str
) -> None:
    path = f"/{quote(before, safe='')}/x/{quote(value, safe=safe)}?q=1#f"
    expected = value if value.strip(" \t\r\n") else None
    assert gives(sql, "path_param(v, '/{a}/x/{b...}', 'b')", [path]) == [expected]


signs = st.characters(exclude_characters="{}*?#%'\x00", exclude_categories=["Cs"])


@some
@given(literal=st.text(signs, max_size=8), encoded=st.booleans())
def test_a_template_takes_a_path_however_either_is_encoded(
    sql: duckdb.DuckDBPyConnection, literal: str, encoded: bool
) -> None:
    small = re.sub("%..", lambda digits: digits[0].lower(), quote(literal))
    paths = [f"/{written}/1" for written in (literal, quote(literal), small)]
    template = quote(literal) if encoded else literal
    assert gives(sql, f"path_param(v, '/{template}/{{a}}')", paths) == ["1"] * 3


def first_of(query: str, name: str) -> str | None:
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if decoded(key, unquote_plus) == name:
            return decoded(value, unquote_plus)
    return None


FRONTS = [
    "",
    "?",
    "/?",
    "/a;b=c?",
    "https://shop.example?",
    "https://ann:x@shop.example/p/q=7&q=8?",
    "//h/p?",
    "shop.example/p?",
]


@some
@given(
    pairs=st.lists(written, max_size=4), front=st.sampled_from(FRONTS), tail=st.sampled_from(["", "#", "#q=9", "#?q=9"])
)
def test_a_parameter_is_the_first_of_its_name_as_urllib_decodes_it(
    sql: duckdb.DuckDBPyConnection, pairs: list[str], front: str, tail: str
) -> None:
    query = "&".join(pairs)
    for name in ("q", "1", "ї", "q a", "+", "a=", "[1]"):
        assert gives(sql, f"query_param(v, '{name}')", [front + query + tail]) == [first_of(query, name)]
        assert gives(sql, f"query_param(v, '{quote(name)}')", [front + query + tail]) == [first_of(query, name)]


@some
@given(
    pairs=st.lists(written, max_size=5),
    front=st.sampled_from(["/", "/a", "https://shop.example/p", "a/b"]),
    tail=st.sampled_from(["", "#", "#q?q=9"]),
)
def test_a_clean_url_keeps_what_is_named_as_it_stands_and_drops_the_rest(
    sql: duckdb.DuckDBPyConnection, pairs: list[str], front: str, tail: str
) -> None:
    parts = [part for pair in pairs for part in pair.split("&")]
    kept = [part for part in parts if decoded(part.partition("=")[0], unquote_plus) in ("q", "ї", "a 1")]
    url = f"{front}?{'&'.join(pairs)}{tail}"
    assert gives(sql, "url_clean(v, ['q', 'ї', 'a 1'])", [url]) == [front + ("?" + "&".join(kept) if kept else "")]
    assert gives(sql, "url_clean(v, [])", [url]) == [front]


hosts = st.sampled_from(["Shop.Example", "a", "1.2.3.4", "[2001:DB8::1]", "xn--e1a", "крамниця.укр", ""])
paths = st.lists(st.sampled_from(["/", "a", "%2F", "ї", ";x=1", ":", "@", "//"]), max_size=5).map("".join)


@some
@given(scheme=st.sampled_from(["https:", "HTTP:", "my-app+1.x:", ""]), login=st.sampled_from(["", "ann@", "ann:p%40@", "a@b@", ":@"]),
       host=hosts, port=st.sampled_from(["", ":", ":8080"]), path=paths, tail=st.sampled_from(["", "?a=/b", "#c", "?d#e@f/"]))  # fmt: skip
def test_host_and_path_are_those_of_urllib(
    sql: duckdb.DuckDBPyConnection, scheme: str, login: str, host: str, port: str, path: str, tail: str
) -> None:
    slash = "/" if path and not path.startswith("/") else ""
    url = f"{scheme}//{login}{host}{port}{slash}{path}{tail}"
    split = urlsplit(url)
    assert gives(sql, "url_host(v)", [url]) == [split.hostname or None]
    assert gives(sql, "url_path(v)", [url]) == [split.path or ("/" if split.netloc else None)]
    assert gives(sql, "url_path(v)", [f"/x{path}{tail}"]) == [f"/x{path}"]
    assert gives(sql, "url_host(v)", [f"/x{path}{tail}"]) == [None]
    assert gives(sql, "url_clean(v, [])", [url]) == [f"{scheme}//{split.netloc.rpartition('@')[2]}{split.path}"]


@pytest.mark.parametrize(
    ("template", "path", "value"),
    [
        ("'/product/{sku}'", "/product/7", "7"), ("'/product/{sku}'", "/product/7/", "7"), ("'/product/{sku}/'", "/product/7", "7"),
        ("'/product/{sku}'", "/product/7/reviews", None), ("'/product/{sku}'", "/Product/7", None), ("'/product/{sku}'", "/product/", None),
        ("'/product/{sku}'", "/uk/product/7", None), ("'/product/{sku}'", "product/7", None), ("'/product/{sku}'", "/product/a%2Fb", "a/b"),
        ("'/product/{sku}'", "https://shop.example:443/product/7?x=/product/8", "7"),
        ("'/p.p/{sku}.html'", "/p.p/a.b.html", "a.b"), ("'/p.p/{sku}.html'", "/pxp/a.html", None),
        ("'/c/{cat}/p/{sku}', 'sku'", "/c/shoes/p/7", "7"), ("'/c/{cat}/p/{sku}', 'cat'", "/c/shoes/p/7", "shoes"),
        ("'/{name}-{id}', 'id'", "/red-mug-42", "42"), ("'/{name}-{id}', 'name'", "/red-mug-42", "red-mug"),
        ("'/c/{cat}/*'", "/c/shoes", "shoes"), ("'/c/{cat}/*'", "/c/shoes/red/7", "shoes"), ("'/c/{cat}*'", "/c/shoes/red", "shoes"),
        ("'/c/{rest...}'", "/c/shoes/red%20x/?q", "shoes/red x/"), ("'/c/{rest...}'", "/c", None), ("'/c/{rest...}'", "/c/", None),
        ("'/c/{cat}/{rest...}', 'rest'", "/c/shoes/red", "red"), ("'/c/{cat}/{rest...}', 'cat'", "/c/shoes", "shoes"),
        ("'/c-{rest...}'", "/c-a/b", "a/b"),
    ],
)  # fmt: skip
def test_a_template_matches_a_whole_path(
    sql: duckdb.DuckDBPyConnection, template: str, path: str, value: str | None
) -> None:
    assert gives(sql, f"path_param(v, {template})", [path]) == [value]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("uid=7", "7"), ("a=1; uid=7; uid=8", "7"), ("a=1;uid = 7 ;b", "7"), ('uid="a b"', "a b"), ('uid={"a":"b"}', '{"a":"b"}'),
        ("uid=a%20b+c==", "a%20b+c=="), ("xuid=1", None), ("UID=1", None), ("uid", None), ("uid=; uid=8", None), ("a=uid=1", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_cookie_is_found_by_its_whole_name(sql: duckdb.DuckDBPyConnection, header: str, value: str | None) -> None:
    assert gives(sql, "cookie(v, 'uid')", [header]) == [value]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path_param(url)", "path_param() is written path_param(path, '/product/{sku}') or path_param(path, '/c/{cat}/{sku}', 'sku')"),
        ("query_param(url, 'a', 'b')", "query_param() is written query_param(query, 'q')"),
        ("query_param(url, name := 'q')", "query_param() is written query_param(query, 'q')"),
        ("url_host()", "url_host() is written url_host(url)"),
        ("path_param(url, pattern)", "behind the first value stands a template in quotes"),
        ("query_param(url, 1)", "a parameter's name in quotes"),
        ("cookie(url, null)", "a cookie's name in quotes"),
        ("url_clean(url, 'q')", "a list of the parameters to keep, each in quotes ([] keeps none)"),
        ("url_clean(url, ['q', pattern])", "a list of the parameters to keep"),
        ("path_param(url, '/{a}/{b}')", "name the one you mean as the third value ('a', 'b')"),
        ("path_param(url, '/{cat}/{sku}', 'skuu')", "no placeholder `skuu`; did you mean `sku`?"),
        ("path_param(url, '/product')", "a template has a placeholder"),
        ("path_param(url, 'product/{sku}')", "a template begins with /"),
        ("path_param(url, '/{sku')", "a brace has no partner"),
        ("path_param(url, '/{}')", "`{}` is no placeholder"),
        ("path_param(url, '/{a b}')", "`{a b}` is no placeholder"),
        ("path_param(url, '/{a}{b}', 'a')", "two placeholders need a text between them"),
        ("path_param(url, '/{a}/{a}', 'a')", "the placeholder `{a}` is there twice"),
        ("path_param(url, '/{a...}/x')", "it stands at the end"),
        ("path_param(url, '/*/{a}')", "`*` takes the rest of the path: it stands at the end"),
        ("path_param(url, '/p?sku={a}')", "use query_param()"),
        ("url_pth(url)", "no function `url_pth`; did you mean `url_path`?"),
        ("query_params(url, 'q')", "no function `query_params`; did you mean `query_param`?"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_is_refused_with_words(sql: duckdb.DuckDBPyConnection, text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as error:
        parse(text, SCOPE, sql)
    assert words in str(error.value)


def test_the_functions_never_need_a_try(sql: duckdb.DuckDBPyConnection) -> None:
    assert all(parse(call, SCOPE, sql).safe for call in CALLS)


def test_names_are_found_wherever_the_quotes_stand(sql: duckdb.DuckDBPyConnection) -> None:
    for text in (
        "query_param(v, 'ї''q')",
        "trim(v).query_param('ї''q')",
        "QUERY_PARAM(v, $$ї'q$$)",
        "query_param(v, /* ї */ ('ї''q'))",
    ):
        assert gives(sql, f"'ї' || {text} || 'ї'", ["?%D1%97'q=1"]) == ["ї1ї"]
    nested = "query_param(query_param(v, 'next'), 'q') || url_host(query_param(v, 'next'))"
    assert gives(sql, nested, ["/login?next=https%3A%2F%2Fa.b%2F%3Fq%3D1"]) == ["1a.b"]


def test_the_functions_work_in_every_place_of_a_job() -> None:
    job = job_of(
        "let: {sku: \"path_param(url_path(url), '/p/{sku}')\"}\nfilters: {inside: url_host(url) = 'intra.example'}\n"
        "events:\n  - {type: productCategoryViewed, where: \"query_param(url, 'q') is null\", category: {productCategoryId: sku}}\n"
        "  - type: productViewed\n    each: \"string_split(cookie(cookie, 'seen'), ',')\"\n"
        "    product: {productId: \"path_param(item, '/{x}')\", price: '1'}\n"
        "  - type: cartUpdated\n    lines: [\"query_param(url, 'cart')\"]\n    where: query_param(url, 'cart') is not null\n"
        "    recycleStateId: query_param(url, 'cart')\n"
        "    products: {productId: sku, quantity: '1', price: '1', all: \"list_transform([url], lambda u: url_clean(u, ['cart']))\"}\n"
    )
    rows = [
        {"user": "u", "url": "https://a.b/p/00%31?cart=k&t=1", "cookie": "seen=/7,/8"},
        {"user": "u", "url": "https://intra.example/p/2", "cookie": None},
        {"user": "u", "url": "/p/3?q=x", "cookie": ""},
    ]
    mapped = map_rows(job, rows)
    assert mapped.filtered == {"inside": 1, "no_rule": 1}
    assert values(mapped, "category.productCategoryId") == ["001"]
    assert values(mapped, "product.productId", 1) == ["7", "8"]
    assert values(mapped, "products.all", 2) == [["https://a.b/p/00%31?cart=k"]]
    assert (failures(mapped), faults(mapped, 0), faults(mapped, 1), faults(mapped, 2)) == ([], [[]], [[], []], [[]])


def test_a_value_that_is_no_text_is_a_mistake() -> None:
    job = job_of(
        "events:\n  - {type: searchRequest, search: \"query_param(hits, 'q')\"}\n"
        "  - {type: searchRequest, search: \"url_clean(url, ['q'])\", where: \"url_clean(url, ['q']) = 1\"}\n",
        HEAD.replace("path: in.csv", "path: in.csv, types: {hits: int}"),
    )
    with pytest.raises(JobMistakes) as error:
        map_rows(job, [{"user": "u", "hits": "1", "url": "/"}])
    assert "query_param() looks at text, and hits is BIGINT" in str(error.value)
    assert re.search(r"events\[1\].where: .*compares text with a number", str(error.value))


def _params(**values: object) -> list[dict[str, object]]:
    """Parameters as GA4 exports them: each value in the field of its kind."""
    return [{"key": key, "value": value} for key, value in values.items()]


_VALUE = pa.struct(
    {"string_value": pa.string(), "int_value": pa.int64(), "float_value": pa.float64(), "double_value": pa.float64()}
)
_PARAMS = pa.list_(pa.struct({"key": pa.string(), "value": _VALUE}))
_SHAPES = {
    # Parquet has every field in every row; float_value is one of them, and always null.
    "parquet": (
        _PARAMS,
        _params(
            page={"string_value": "/a", "int_value": None, "float_value": None, "double_value": None},
            session={"string_value": None, "int_value": 9007199254740993, "float_value": None, "double_value": None},
            value={"string_value": None, "int_value": None, "float_value": None, "double_value": 12.5},
            old={"string_value": None, "int_value": None, "float_value": 0.5, "double_value": None},
            none={"string_value": None, "int_value": None, "float_value": None, "double_value": None},
            blank={"string_value": " ", "int_value": None, "float_value": None, "double_value": None},
            void=None,
        ),
    ),
    # BigQuery's JSON leaves nulls out and writes int64 as text: a field that no row has is in no schema.
    "ndjson": (
        pa.list_(
            pa.struct(
                {
                    "key": pa.string(),
                    "value": pa.struct({"double_value": pa.float64(), "int_value": pa.string(), "string_value": pa.string()}),
                }
            )
        ),
        _params(
            page={"string_value": "/a"},
            session={"int_value": "9007199254740993"},
            value={"double_value": 12.5},
            blank={"string_value": " "},
            none={},
            void=None,
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", _SHAPES)
def test_event_param_gives_the_text_of_whatever_field_a_value_stands_in(shape: str) -> None:
    kind, params = _SHAPES[shape]
    job = job_of(
        "events:\n  - {type: seen, custom: true, params: {"
        + ", ".join(
            f"{n}: \"event_param(params, '{n}')\"" for n in ("page", "session", "value", "none", "blank", "void")
        )
        + ", absent: \"event_param(params, 'x')\", number: \"try_cast(event_param(params, 'value') as double) * 2\"}}\n"
    )
    schema = pa.schema([("user", pa.string()), ("params", kind)])
    mapped = map_rows(
        job,
        [{"user": "u", "params": params}, {"user": "u", "params": []}, {"user": "u", "params": None}],
        schema,
    )
    nothing = ("none", "blank", "void", "absent")
    assert [values(mapped, f"params.{name}") for name in nothing] == [[None] * 3] * 4
    assert values(mapped, "params.page") == ['"/a"', None, None]
    assert values(mapped, "params.session") == ['"9007199254740993"', None, None]  # every digit
    assert values(mapped, "params.value") == ['"12.5"', None, None]
    assert values(mapped, "params.number") == ["25", None, None]
    assert (failures(mapped), faults(mapped)) == ([], [[], [], []])


def test_event_param_takes_the_first_of_a_name_and_the_older_float() -> None:
    kind, params = _SHAPES["parquet"]
    job = job_of(
        "events:\n  - {type: seen, custom: true, params: {old: \"event_param(p, 'old')\", page: \"event_param(p, 'page')\"}}\n"
    )
    twice = [*params, *_params(page={"string_value": "/later"})]
    mapped = map_rows(job, [{"user": "u", "p": twice}], pa.schema([("user", pa.string()), ("p", kind)]))
    assert (values(mapped, "params.old"), values(mapped, "params.page")) == (['"0.5"'], ['"/a"'])


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("event_param(url, 'q')", "looks at a list of records with key and value, as GA4 exports event_params, and url is VARCHAR"),
        ("event_param(tags, 'q')", "and tags is VARCHAR[]"),
        ("event_param(p)", "event_param() is written event_param(event_params, 'page_location')"),
        ("event_param(p, user)", "behind the first value stands a parameter's name in quotes"),
        ("event_parm(p, 'q')", "no function `event_parm`; did you mean `event_param`?"),
    ],
)  # fmt: skip
def test_what_event_param_cannot_look_at_is_a_mistake(expression: str, words: str) -> None:
    job = job_of(f'events:\n  - type: searchRequest\n    search: "{expression}"\n')
    schema = pa.schema([("user", pa.string()), ("url", pa.string()), ("p", _PARAMS), ("tags", pa.list_(pa.string()))])
    with pytest.raises(JobMistakes) as error:
        map_rows(job, [], schema)
    assert words in str(error.value)
