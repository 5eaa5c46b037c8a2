"""The published JSON Schemas say what the reader accepts."""

import jsonschema
import msgspec
import pytest
import yaml

from gemel.testing.plants import PLANT
from gemel.twin import json_schema, parse_plant, parse_type


@pytest.mark.parametrize("kind", ["twin-type", "plant"])
def test_the_schema_is_a_schema(kind):
    jsonschema.Draft202012Validator.check_schema(json_schema(kind))
    assert msgspec.json.encode(json_schema(kind))


def test_what_is_read_is_valid_and_the_reverse():
    plant = yaml.safe_load(PLANT)
    jsonschema.validate(plant, json_schema("plant"))
    parse_plant(PLANT)
    for type_ in plant["types"]:
        jsonschema.validate(type_, json_schema("twin-type"))
        parse_type(yaml.safe_dump(type_))


@pytest.mark.parametrize(
    "wrong",
    [
        {"gemel": 2},
        {"twin": []},
        {"twins": [{"id": "a"}]},
        {"twins": [{"id": "../a", "types": ["x"]}]},
        {"types": [{"id": "a", "properties": [{"name": "b", "kind": "nubmer"}]}]},
        {"types": [{"id": "a", "events": [{"name": "b", "severity": "loud"}]}]},
    ],
)
def test_what_is_refused_is_not_valid(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json_schema("plant"))


def test_every_field_of_a_property_is_described_in_plain_words():
    described = json_schema("twin-type")["$defs"]["PropertyType"]["properties"]
    assert described["maximum"]["description"].startswith("A reading outside")
    assert "Earlier names" in described["aliases"]["description"]
