"""Applies each record once: how far each lane has come is kept in the transaction that applies its records."""

from ledger import open_ledger

LEDGER = open_ledger()


def handler(event, context):
    said = context.client_context.custom
    lane = (said["Forebay-Mapping"], said["Forebay-Track"], said["Forebay-Lane"])
    records = event["Records"]
    with LEDGER.transaction():
        position, offset = LEDGER.place(lane)
        # A batch that ends above the kept position may begin below it: after a crash it is cut anew.
        is_done = said["Forebay-Last-Position"] <= position
        fresh = [] if is_done else [it for it in records if int(it["offset"]) > offset]
        if len(fresh) < len(records):
            LEDGER.note_skipped("by position", len(records) - len(fresh))
        if fresh:
            LEDGER.add_rows("rows_by_position", [it["body"] for it in fresh])
            LEDGER.keep_place(lane, said["Forebay-Last-Position"], int(fresh[-1]["offset"]))
