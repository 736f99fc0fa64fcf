"""Rows, places and names in SQLite. The rows have no unique key: a record that is applied twice shows."""

import contextlib
import pathlib
import sqlite3

PATH = pathlib.Path(__file__).resolve().parent.parent / "run" / "ledger.db"
TABLES = """
CREATE TABLE IF NOT EXISTS rows_by_position (body TEXT);
CREATE TABLE IF NOT EXISTS places (mapping TEXT, track TEXT, lane TEXT, position TEXT, record_offset INTEGER, PRIMARY KEY (mapping, track, lane));
CREATE TABLE IF NOT EXISTS rows_by_name (body TEXT);
CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS skipped (how TEXT, n_records INTEGER);
"""


class SqliteLedger:
    def __init__(self):
        self.connection = sqlite3.connect(PATH, timeout=60, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.executescript(TABLES)

    @contextlib.contextmanager
    def transaction(self):
        # It takes the lock before it reads: the function of a daemon that was killed may still be at its last batch.
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def place(self, lane):
        """How far a lane was applied: the position of its last batch, the offset of its last record."""
        query = "SELECT position, record_offset FROM places WHERE mapping = ? AND track = ? AND lane = ?"
        return self.connection.execute(query, lane).fetchone() or ("", -1)

    def keep_place(self, lane, position, offset):
        self.connection.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)", (*lane, position, offset))

    def keep_name(self, name):
        """Whether it is new."""
        return self.connection.execute("INSERT OR IGNORE INTO names VALUES (?)", (name,)).rowcount == 1

    def add_rows(self, table, bodies):
        self.connection.executemany(f"INSERT INTO {table} VALUES (?)", [(body,) for body in bodies])

    def note_skipped(self, how, n_records):
        self.connection.execute("INSERT INTO skipped VALUES (?, ?)", (how, n_records))

    def ask(self, query):
        """What a query without parameters finds, for whoever compares."""
        return self.connection.execute(query).fetchall()
