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
          transaction_start INTEGER NOT NULL DEFAULT -1, -- where its open transaction begins; -1: none is open
          -- of each of its last batches, the oldest first: first and last sequence (4 bytes each), base offset and time
          -- (8 bytes each), little-endian
          batches BLOB NOT NULL,
          -- CRC32C of log, id, epoch, last_seen and transaction_start, each as 8 bytes, little-endian, and batches
          crc INTEGER NOT NULL,
          PRIMARY KEY (log, id)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE aborted (
          log INTEGER NOT NULL,
          marker INTEGER NOT NULL, -- the offset of what ended it
          producer INTEGER NOT NULL,
          first INTEGER NOT NULL CHECK (first <= marker), -- the offset of its first record
          PRIMARY KEY (log, marker)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE transactional_id (
          name TEXT PRIMARY KEY NOT NULL,
          producer INTEGER NOT NULL,
          epoch INTEGER NOT NULL,
          previous_producer INTEGER NOT NULL, -- -1: none
          last_epoch INTEGER NOT NULL, -- -1: none
          timeout INTEGER NOT NULL, -- milliseconds
          state TEXT NOT NULL,
          started INTEGER, -- milliseconds since 1970
          updated INTEGER NOT NULL,
          -- what is part of the transaction: partitions, groups, offsets of groups
          contents BLOB NOT NULL,
          crc INTEGER NOT NULL -- CRC32C of contents, which begin with all the other columns
        ) STRICT, WITHOUT ROWID;
        """
}
