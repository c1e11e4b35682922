"""Root configurations: which documents an issuer may write, and what they mean."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from swpt_accounts.rules import root_config
from swpt_accounts.rules.currency import NO_DEBTOR_INFO, CurrencySettings, DebtorInfo
from swpt_accounts.rules.root_config import parse_root_config
from swpt_accounts.wire.numbers import MAX_INT64
from swpt_accounts.wire.strict_json import Integer, Real

IRI = "https://example.com/"
SHA256 = "2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881"
DEFAULTS = CurrencySettings(0.0, MAX_INT64, NO_DEBTOR_INFO)
NESTED_31 = "[" * 31 + "]" * 31


def limited(limit: int) -> CurrencySettings:
    return CurrencySettings(issuing_limit=limit)


def rated(rate: float) -> CurrencySettings:
    return CurrencySettings(interest_rate=rate)


def informed(iri: str = IRI, content_type: str = "", sha256: str = "") -> CurrencySettings:
    return CurrencySettings(debtor_info=DebtorInfo(iri, content_type, sha256))


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", DEFAULTS),
        ("{}", DEFAULTS),
        (" \t\r\n{ }\n", DEFAULTS),
        ('{"type":"RootConfigData"}', DEFAULTS),
        ('{"type":"RootConfigData-v2","rate":1.0,"color":"red"}', rated(1.0)),
        ('{"type":"RootConfigData-v999999"}', DEFAULTS),
        ('{"rate":3.567}', rated(3.567)),
        ('{"type":"RootConfigData","rate":7}', rated(7.0)),
        ('{"rate":-50}', rated(-50.0)),
        ('{"rate":100.0}', rated(100.0)),
        ('{"rate":1e2}', rated(100.0)),
        ('{"rate":1e-500}', rated(0.0)),
        ('{"limit":0}', limited(0)),
        ('{"limit":-0}', limited(0)),
        ('{"limit":9223372036854775807}', limited(MAX_INT64)),
        (
            '{"type":"RootConfigData","limit":100,"info":{"type":"DebtorInfo","iri":"https://example.com/"}}',
            CurrencySettings(issuing_limit=100, debtor_info=DebtorInfo(IRI, "", "")),
        ),
        # the last of repeated members counts
        ('{"limit":"x","limit":7}', limited(7)),
        ('{"rate":101,"rate":1,"rate":2}', rated(2.0)),
        # unknown members may be anything, to 32 levels
        (f'{{"x":{NESTED_31},"rate":2}}', rated(2.0)),
        ('{"x":null,"y":' + "9" * 1500 + ',"z":1e999,"rate":2}', rated(2.0)),
        ('{"x":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}', DEFAULTS),
        # the parts of the debtor info
        (f'{{"info":{{"iri":"{"я" * 200}"}}}}', informed("я" * 200)),
        (f'{{"info":{{"iri":"x","contentType":"{"t" * 100}"}}}}', informed("x", "t" * 100)),
        ('{"info":{"iri":"x","contentType":""}}', informed("x")),
        (f'{{"info":{{"iri":"x","sha256":"{SHA256}"}}}}', informed("x", "", SHA256)),
        ('{"info":{"type":"DebtorInfo-v3","iri":"x","more":[1]}}', informed("x")),
        ('{"info":{"iri":"\\u0444\\ud83d\\ude00"}}', informed("ф😀")),
    ],
)
def test_a_valid_root_configuration_means_these_settings(text, settings):
    """Members that are missing have their defaults; unknown ones are ignored."""
    parsed = parse_root_config(text)
    assert parsed == settings
    assert parsed is not None
    assert type(parsed.interest_rate) is float
    assert type(parsed.issuing_limit) is int


@pytest.mark.parametrize(
    "text",
    [
        # not one JSON object
        " ",
        "[]",
        "null",
        "true",
        "1",
        "1.5",
        '"x"',
        "hello",
        "[{}]",
        "{}{}",
        "{},",
        "{",
        "{'rate':1}",
        '{"rate":1,}',
        "\ufeff{}",
        "\x0b{}",
        # types
        '{"type":"Other"}',
        '{"type":""}',
        '{"type":null}',
        '{"type":1}',
        '{"type":"rootconfigdata"}',
        '{"type":"RootConfigData\\n"}',
        '{"type":"RootConfigData-v0"}',
        '{"type":"RootConfigData-v01"}',
        '{"type":"RootConfigData-v1000000"}',
        '{"type":"RootConfigData-v٣"}',
        '{"type":"XRootConfigData"}',
        # rates
        '{"rate":-51}',
        '{"rate":101}',
        '{"rate":-50.00000000000001}',
        '{"rate":100.00000000000001}',
        '{"rate":NaN}',
        '{"rate":Infinity}',
        '{"rate":-Infinity}',
        '{"rate":1e500}',
        '{"rate":' + "9" * 1500 + "}",
        '{"rate":null}',
        '{"rate":"5"}',
        '{"rate":true}',
        '{"rate":[5]}',
        '{"rate":{}}',
        # limits
        '{"limit":-1}',
        '{"limit":9223372036854775808}',
        '{"limit":' + "9" * 1500 + "}",
        '{"limit":1.5}',
        '{"limit":1e3}',
        '{"limit":1000.0}',
        '{"limit":"5"}',
        '{"limit":false}',
        '{"limit":null}',
        '{"limit":7,"limit":"x"}',
        # debtor infos
        '{"info":null}',
        '{"info":[]}',
        '{"info":"x"}',
        '{"info":5}',
        '{"info":1.5}',
        '{"info":{}}',
        '{"info":{"type":"DebtorInfo"}}',
        '{"info":{"type":"DebtorInfo\\n","iri":"x"}}',
        '{"info":{"type":"RootConfigData","iri":"x"}}',
        '{"info":{"iri":""}}',
        '{"info":{"iri":null}}',
        '{"info":{"iri":7}}',
        f'{{"info":{{"iri":"{"x" * 201}"}}}}',
        f'{{"info":{{"iri":"x","contentType":"{"t" * 101}"}}}}',
        '{"info":{"iri":"x","contentType":"т"}}',
        '{"info":{"iri":"x","contentType":null}}',
        '{"info":{"iri":"x","sha256":""}}',
        f'{{"info":{{"iri":"x","sha256":"{SHA256.lower()}"}}}}',
        f'{{"info":{{"iri":"x","sha256":"{SHA256[:63]}"}}}}',
        f'{{"info":{{"iri":"x","sha256":"{SHA256}0"}}}}',
        f'{{"info":{{"iri":"x","sha256":"{SHA256}\\n"}}}}',
        # strings with what no string may hold, wherever they stand
        '{"info":{"iri":"x\\u0000"}}',
        '{"info":{"iri":"\\ud800"}}',
        '{"x":"\\u0000"}',
        '{"\\udfff":1}',
        '{"x":"\ud800"}',
        '{"x":"\x00"}',
        '{"x":"\n"}',
        # too deep
        f'{{"x":[{NESTED_31}]}}',
        "[" * 1900,
        '{"x":' * 300,
    ],
)
def test_any_other_text_is_no_root_configuration(text):
    """What does not follow the rules to the letter is refused as a whole, and never raises."""
    assert parse_root_config(text) is None


@given(st.text(max_size=200))
def test_no_text_can_hurt(text):
    """Whatever an issuer writes, the answer is settings or None."""
    assert isinstance(parse_root_config(text), CurrencySettings | None)


@given(
    st.dictionaries(
        st.sampled_from(["type", "rate", "limit", "info", "iri", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["iri", "sha256", "contentType", "type"]), inner, max_size=3
                )
            ),
            max_leaves=8,
        ),
    )
)
def test_accepted_settings_lie_within_their_limits(document):
    """No document smuggles a value past the limits."""
    settings = parse_root_config(json.dumps(document))
    if settings is not None:
        assert -50.0 <= settings.interest_rate <= 100.0
        assert 0 <= settings.issuing_limit <= MAX_INT64
        assert settings.debtor_info == NO_DEBTOR_INFO or 1 <= len(settings.debtor_info.iri) <= 200


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        (root_config._read_rate, Integer("101"), "Must be a number between -50.0 and 100.0."),
        (root_config._read_rate, "5", "Must be a number between -50.0 and 100.0."),
        (root_config._read_limit, Integer("-1"), f"Must be an integer between 0 and {MAX_INT64}."),
        (root_config._read_limit, Real("1.0"), f"Must be an integer between 0 and {MAX_INT64}."),
    ],
)
def test_a_wrong_member_is_told_in_words(member, value, words):
    """Operators who try a document hear what is expected."""
    with pytest.raises(ValidationError) as raised:
        root_config._Member(member).deserialize(value)
    assert raised.value.messages == [words]


@pytest.mark.parametrize(("value", "is_read"), [("AB", True), ("ab", False), (1, False), (None, False)])
def test_a_text_is_read_if_it_holds(value, is_read):
    """What it has to be, a predicate says."""
    member = root_config._Member(root_config._read_text(str.isupper, "shouted"), allow_none=False)
    if is_read:
        assert member.deserialize(value) == value
        return
    with pytest.raises(ValidationError) as raised:
        root_config._read_text(str.isupper, "shouted")(value)
    assert raised.value.messages == ["Must be shouted."]
