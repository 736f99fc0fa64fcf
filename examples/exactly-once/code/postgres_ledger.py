"""Rows, places and names in PostgreSQL. The rows have no unique key: a record that is applied twice shows."""

import contextlib
import urllib.parse

import pg8000.dbapi

TABLES = """
CREATE TABLE IF NOT EXISTS rows_by_position (body text);
CREATE TABLE IF NOT EXISTS places (mapping text, track text, lane text, position text, record_offset bigint, PRIMARY KEY (mapping, track, lane));
CREATE TABLE IF NOT EXISTS rows_by_name (body text);
CREATE TABLE IF NOT EXISTS names (name text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS skipped (how text, n_records bigint);
"""


class PostgresLedger:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = pg8000.dbapi.connect(
            user=parts.username, password=parts.password, host=parts.hostname, port=parts.port, database=parts.path.lstrip("/")
        )
        self.cursor = self.connection.cursor()
        with self.transaction():
            # Two functions that start at once would make the same table.
            self.cursor.execute("SELECT pg_advisory_xact_lock(1)")
            for table in filter(str.strip, TABLES.split(";")):
                self.cursor.execute(table)

    @contextlib.contextmanager
    def transaction(self):
        # The driver begins it with the first statement.
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def place(self, lane):
        """How far a lane was applied: the position of its last batch, the offset of its last record."""
        # A lane without a place gets one, for there must be a row to lock: the function of a daemon that was killed may still be at its last
        # batch, and who comes second waits here until the other has committed.
        self.cursor.execute("INSERT INTO places VALUES (%s, %s, %s, '', -1) ON CONFLICT DO NOTHING", lane)
        query = "SELECT position, record_offset FROM places WHERE mapping = %s AND track = %s AND lane = %s FOR UPDATE"
        self.cursor.execute(query, lane)
        return self.cursor.fetchone()

    def keep_place(self, lane, position, offset):
        update = "UPDATE places SET position = %s, record_offset = %s WHERE mapping = %s AND track = %s AND lane = %s"
        self.cursor.execute(update, (position, offset, *lane))

    def keep_name(self, name):
        """Whether it is new. A second transaction with the same name waits for the first, and finds it where that one committed."""
        self.cursor.execute("INSERT INTO names VALUES (%s) ON CONFLICT DO NOTHING", (name,))
        return self.cursor.rowcount == 1

    def add_rows(self, table, bodies):
        self.cursor.executemany(f"INSERT INTO {table} VALUES (%s)", [(body,) for body in bodies])

    def note_skipped(self, how, n_records):
        self.cursor.execute("INSERT INTO skipped VALUES (%s, %s)", (how, n_records))

    def ask(self, query):
        """What a query without parameters finds, for whoever compares."""
        with self.transaction():
            self.cursor.execute(query)
            return self.cursor.fetchall()
