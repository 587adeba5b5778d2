extension Schema {
    /// Batches of producers are told apart, and offsets have something said of them.
    static let batches = """
        ALTER TABLE group_offset ADD COLUMN leader_epoch INTEGER NOT NULL DEFAULT -1; -- -1: not said
        ALTER TABLE group_offset ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
        CREATE TABLE producer (
          log INTEGER NOT NULL,
          id INTEGER NOT NULL CHECK (id >= 0),
          epoch INTEGER NOT NULL,
          last_seen INTEGER NOT NULL, -- milliseconds since 1970
          -- of each of its last batches, the oldest first: first and last sequence (4 bytes each), base offset and time
          -- (8 bytes each), little-endian
          batches BLOB NOT NULL,
          crc INTEGER NOT NULL, -- CRC32C of log, id, epoch and last_seen, each as 8 bytes, little-endian, and batches
          PRIMARY KEY (log, id)
        ) STRICT, WITHOUT ROWID;
        """
}
