/// The tables, as a numbered list of steps: a new file takes all of them, an older one those it lacks.
///
/// A released step is never changed: fixtures in the tests hold every released schema.
///
/// Source: ARCHITECTURE.md, section 8, "One row per log and commit"
enum Schema {
    /// `PRAGMA application_id` of our files: "Cola".
    static let applicationID: Int64 = 0x436F_6C61

    /// The step with index i leads from version i to i + 1.
    static let steps = [version1, version2, policyKinds, users, exchangeArguments, batches]

    private static let version1 = """
        -- One row for each log and commit. Rows are appended to the end of the table, whatever log they are of.
        CREATE TABLE chunk (
          id INTEGER PRIMARY KEY,
          log INTEGER NOT NULL,
          base INTEGER NOT NULL CHECK (base >= 0),
          last INTEGER NOT NULL CHECK (last >= base),
          count INTEGER NOT NULL CHECK (count >= 0), -- records that can be read
          bytes INTEGER NOT NULL CHECK (bytes >= 0), -- of keys, values and headers, as producers handed them in
          min_ts INTEGER NOT NULL, -- milliseconds since 1970
          max_ts INTEGER NOT NULL, -- milliseconds since 1970
          min_expire INTEGER, -- milliseconds since 1970; null: nothing in it expires
          flags INTEGER NOT NULL DEFAULT 0,
          epoch INTEGER NOT NULL,
          data BLOB NOT NULL -- Kafka record batches, version 2
        ) STRICT;
        CREATE UNIQUE INDEX chunk_by_log ON chunk (log, base);
        CREATE TABLE logstate (
          log INTEGER PRIMARY KEY,
          start INTEGER NOT NULL CHECK (start >= 0),
          next INTEGER NOT NULL CHECK (next >= start),
          ready INTEGER NOT NULL CHECK (ready >= 0), -- messages
          bytes INTEGER NOT NULL CHECK (bytes >= 0),
          floor INTEGER NOT NULL CHECK (floor >= 0),
          clean INTEGER NOT NULL CHECK (clean >= 0), -- what was handed out lies below; exact after a clean stop
          crc INTEGER NOT NULL -- CRC32C of the seven columns before it, each as 8 bytes, little-endian
        ) STRICT;
        CREATE TABLE settled (
          log INTEGER NOT NULL,
          base INTEGER NOT NULL,
          data BLOB NOT NULL,
          crc INTEGER NOT NULL, -- CRC32C of log and base, each as 8 bytes, little-endian, and data
          PRIMARY KEY (log, base)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE released (
          log INTEGER NOT NULL,
          offset INTEGER NOT NULL,
          deliveries INTEGER NOT NULL CHECK (deliveries > 0),
          PRIMARY KEY (log, offset)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE queue (
          log INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE
        ) STRICT;
        CREATE TABLE topic (
          name TEXT NOT NULL,
          partition INTEGER NOT NULL CHECK (partition >= 0),
          log INTEGER NOT NULL UNIQUE,
          PRIMARY KEY (name, partition)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE exchange (
          name TEXT PRIMARY KEY NOT NULL,
          kind TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE binding (
          source TEXT NOT NULL,
          destination TEXT NOT NULL,
          routing_key TEXT NOT NULL,
          PRIMARY KEY (source, destination, routing_key)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE group_offset (
          group_name TEXT NOT NULL,
          log INTEGER NOT NULL,
          next INTEGER NOT NULL CHECK (next >= 0),
          PRIMARY KEY (log, group_name)
        ) STRICT, WITHOUT ROWID;
        -- What the trimmer has still to delete.
        CREATE TABLE garbage (
          log INTEGER NOT NULL,
          first INTEGER NOT NULL CHECK (first >= 0), -- chunks that begin from here on
          below INTEGER NOT NULL CHECK (below >= first), -- up to here
          whole INTEGER NOT NULL CHECK (whole IN (0, 1)), -- 1: the log itself is gone
          PRIMARY KEY (log, first)
        ) STRICT, WITHOUT ROWID;
        -- Chunks in which damage was found, as they were.
        CREATE TABLE quarantine (
          id INTEGER PRIMARY KEY,
          log INTEGER NOT NULL,
          base INTEGER NOT NULL,
          reason TEXT NOT NULL,
          epoch INTEGER NOT NULL,
          data BLOB NOT NULL,
          UNIQUE (log, base)
        ) STRICT;
        CREATE TABLE meta (
          key TEXT PRIMARY KEY NOT NULL,
          value INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        INSERT INTO meta (key, value) VALUES ('epoch', 0), ('clean_epoch', 0), ('next_log', 1);
        """
}
