"""Applies each batch once: its name is kept in the transaction that applies it. It needs `batch_identity: durable`."""

from ledger import open_ledger

LEDGER = open_ledger()


def handler(event, context):
    name = context.client_context.custom["Idempotency-Key"]
    records = event["Records"]
    with LEDGER.transaction():
        if LEDGER.keep_name(name):
            LEDGER.add_rows("rows_by_name", [it["body"] for it in records])
        else:
            LEDGER.note_skipped("by name", len(records))
