"""Encodes records as producers do, and decodes events as functions with Powertools do. A task on standard input, JSON on standard output.

{"encode": {"avro": schema}}      -> {"avro": hex, "order": hex, "part": hex, "json": hex}: payloads, without what names a schema
{"decode": {"event": …, "avro": schema}} -> the values that Powertools' consumer gives, one a record

Powertools for Python reads the numbers in front of a message of Protobuf's as plain ones. Confluent's producers write them as zigzag, so that it finds the
first message of a file (one zero) and no other: for others they are taken away here, and Powertools is given the rest as plain Protobuf.
"""

import base64

import io
import json
import sys

import avro.io
import avro.schema
from aws_lambda_powertools.utilities.kafka import ConsumerRecords, SchemaConfig
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# What every encoder is given. Numbers of four bytes are left out: others widen them to eight with more digits.
AVRO = {
    "id": -(2**63),
    "name": "é\n\"",
    "price": 0.1,
    "tags": ["a", "b"],
    "counts": {"x": 1},
    "note": None,
    "color": "RED",
    "next": {"id": 2, "name": "", "price": 1.0, "tags": [], "counts": {}, "note": "n", "color": "BLUE", "next": None},
}


def classes():
    """The messages Order and Order.Line.Part, told to protobuf's library without the text of their schema."""
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", package="shop", syntax="proto3")
    order = file.message_type.add(name="Order")
    add(order, "order_id", 1, "TYPE_INT64")
    add(order, "order_lines", 2, "TYPE_MESSAGE", "LABEL_REPEATED").type_name = ".shop.Order.Line"
    line = order.nested_type.add(name="Line")
    add(line, "item_name", 1, "TYPE_STRING")
    add(line, "first_part", 2, "TYPE_MESSAGE").type_name = ".shop.Order.Line.Part"
    part = line.nested_type.add(name="Part")
    add(part, "is_heavy", 1, "TYPE_BOOL")
    add(part, "big_number", 2, "TYPE_UINT64")
    add(part, "raw_bytes", 3, "TYPE_BYTES")
    add(part, "part_ids", 4, "TYPE_INT32", "LABEL_REPEATED")
    add(part, "sub_part", 5, "TYPE_MESSAGE").type_name = ".shop.Order.Line.Part"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.Order{name}")) for name in ("", ".Line.Part")]


def add(message, name, number, kind, label="LABEL_OPTIONAL"):
    field = descriptor_pb2.FieldDescriptorProto
    return message.field.add(name=name, number=number, type=getattr(field, kind), label=getattr(field, label))


def encode(task):
    out = io.BytesIO()
    avro.io.DatumWriter(avro.schema.parse(task["avro"])).write(AVRO, avro.io.BinaryEncoder(out))
    Order, Part = classes()
    part = Part(is_heavy=True, big_number=2**64 - 1, raw_bytes=b"\x00\xff", part_ids=[1, -1])
    part.sub_part.part_ids.append(7)
    order = Order(order_id=-1)
    order.order_lines.add(item_name="é").first_part.CopyFrom(part)
    order.order_lines.add()
    return {
        "avro": out.getvalue().hex(),
        "order": order.SerializeToString().hex(),
        "part": part.SerializeToString().hex(),
        "json": json.dumps({"id": 5, "name": "é", "more": [1.5, None]}).encode().hex(),
    }


def decode(task):
    values = []
    Order, Part = classes()
    for record in ConsumerRecords(task["event"]).records:
        kind = record["valueSchemaMetadata"]["dataFormat"]
        schema = {"AVRO": task["avro"], "PROTOBUF": Order, "JSON": None}[kind]
        value = base64.b64decode(record["value"])
        if kind == "PROTOBUF" and value[0] != 0:
            # Three places, each the first.
            assert value[:4] == bytes([6, 0, 0, 0]), value
            schema = Part
            plain = {"value": base64.b64encode(value[4:]).decode(), "valueSchemaMetadata": {"dataFormat": kind}}
            record = {**record.raw_event, **plain}
        config = SchemaConfig(value_schema_type=kind, value_schema=schema)
        values.append(next(ConsumerRecords({"records": {"t-0": [record]}}, config).records).value)
    return values


task = json.load(sys.stdin)
json.dump(encode(task["encode"]) if "encode" in task else decode(task["decode"]), sys.stdout)
