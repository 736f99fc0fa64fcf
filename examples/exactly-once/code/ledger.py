"""The database of both functions: PostgreSQL where `DATABASE_URL` names one, else SQLite."""

import os


def open_ledger():
    url = os.environ.get("DATABASE_URL", "")
    if url:
        from postgres_ledger import PostgresLedger

        return PostgresLedger(url)
    from sqlite_ledger import SqliteLedger

    return SqliteLedger()
