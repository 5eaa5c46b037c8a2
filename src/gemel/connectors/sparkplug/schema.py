"""The payload of Sparkplug B as protocol buffers. Field numbers: Sparkplug 3.0.0 specification, 6.4.

Only what is read or written here has fields; of data sets and templates it is enough to see that they are there.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["Payload"]

_PACKAGE = "gemel.sparkplug"
_FIELDS: dict[str, list[tuple[int, str, str, str]]] = {
    # message: (number, name, type, "" | "repeated" | name of its oneof)
    "PropertyValue": [
        (1, "type", "uint32", ""),
        (2, "is_null", "bool", ""),
        (3, "int_value", "uint32", "value"),
        (4, "long_value", "uint64", "value"),
        (5, "float_value", "float", "value"),
        (6, "double_value", "double", "value"),
        (7, "boolean_value", "bool", "value"),
        (8, "string_value", "string", "value"),
    ],
    "PropertySet": [(1, "keys", "string", "repeated"), (2, "values", "PropertyValue", "repeated")],
    "Opaque": [],
    "Metric": [
        (1, "name", "string", ""),
        (2, "alias", "uint64", ""),
        (3, "timestamp", "uint64", ""),
        (4, "datatype", "uint32", ""),
        (5, "is_historical", "bool", ""),
        (6, "is_transient", "bool", ""),
        (7, "is_null", "bool", ""),
        (9, "properties", "PropertySet", ""),
        (10, "int_value", "uint32", "value"),
        (11, "long_value", "uint64", "value"),
        (12, "float_value", "float", "value"),
        (13, "double_value", "double", "value"),
        (14, "boolean_value", "bool", "value"),
        (15, "string_value", "string", "value"),
        (16, "bytes_value", "bytes", "value"),
        (17, "dataset_value", "Opaque", "value"),
        (18, "template_value", "Opaque", "value"),
        (19, "extension_value", "Opaque", "value"),
    ],
    "Payload": [
        (1, "timestamp", "uint64", ""),
        (2, "metrics", "Metric", "repeated"),
        (3, "seq", "uint64", ""),
        (4, "uuid", "string", ""),
        (5, "body", "bytes", ""),
    ],
}


def _described() -> descriptor_pb2.FileDescriptorProto:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="gemel/sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, field, kind, extra in fields:
            added = message.field.add(name=field, number=number)
            added.label = kinds.LABEL_REPEATED if extra == "repeated" else kinds.LABEL_OPTIONAL
            if kind in _FIELDS:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
            if extra not in ("", "repeated"):
                if not message.oneof_decl:
                    message.oneof_decl.add(name=extra)
                added.oneof_index = 0
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_described())

Payload: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
"""The message class; `Payload.FromString(raw)`, `Payload().SerializeToString()`."""
