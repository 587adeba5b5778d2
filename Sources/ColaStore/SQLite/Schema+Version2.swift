extension Schema {
    static let version2 = """
        -- Null: nothing in the log expires. The checksum covers it as an eighth column where it is not null.
        ALTER TABLE logstate ADD COLUMN next_expiry INTEGER;
        ALTER TABLE released RENAME TO released_1;
        CREATE TABLE released (
          log INTEGER NOT NULL,
          offset INTEGER NOT NULL,
          deliveries INTEGER NOT NULL CHECK (deliveries >= 0),
          fate TEXT CHECK (fate IN ('rejected', 'delivery-limit', 'delayed')), -- null: back to its place
          due INTEGER, -- of a delayed one; milliseconds since 1970
          PRIMARY KEY (log, offset)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO released SELECT log, offset, deliveries, NULL, NULL FROM released_1;
        DROP TABLE released_1;
        CREATE TABLE virtual_host (
          name TEXT PRIMARY KEY NOT NULL
        ) STRICT, WITHOUT ROWID;
        INSERT INTO virtual_host VALUES ('/');
        ALTER TABLE queue RENAME TO queue_1;
        CREATE TABLE queue (
          log INTEGER PRIMARY KEY, -- of priority 0
          host TEXT NOT NULL,
          name TEXT NOT NULL,
          auto_delete INTEGER NOT NULL CHECK (auto_delete IN (0, 1)),
          UNIQUE (host, name)
        ) STRICT;
        INSERT INTO queue SELECT log, '/', name, 0 FROM queue_1;
        DROP TABLE queue_1;
        -- The logs of higher priorities.
        CREATE TABLE priority_log (
          queue INTEGER NOT NULL, -- the log of priority 0
          priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 255),
          log INTEGER NOT NULL UNIQUE,
          PRIMARY KEY (queue, priority)
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE topic RENAME TO topic_1;
        CREATE TABLE topic (
          host TEXT NOT NULL,
          name TEXT NOT NULL,
          partition INTEGER NOT NULL CHECK (partition >= 0),
          log INTEGER NOT NULL UNIQUE,
          PRIMARY KEY (host, name, partition)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO topic SELECT '/', name, partition, log FROM topic_1;
        DROP TABLE topic_1;
        ALTER TABLE exchange RENAME TO exchange_1;
        CREATE TABLE exchange (
          host TEXT NOT NULL,
          name TEXT NOT NULL,
          kind TEXT NOT NULL,
          alternate TEXT,
          PRIMARY KEY (host, name)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO exchange SELECT '/', name, kind, NULL FROM exchange_1;
        DROP TABLE exchange_1;
        ALTER TABLE binding RENAME TO binding_1;
        CREATE TABLE binding (
          host TEXT NOT NULL,
          source TEXT NOT NULL,
          target TEXT NOT NULL CHECK (target IN ('queue', 'exchange')),
          destination TEXT NOT NULL,
          routing_key TEXT NOT NULL,
          match TEXT NOT NULL, -- empty, or: all|any, and for each header ' LENGTH:NAME' with or without '=LENGTH:VALUE'
          PRIMARY KEY (host, source, target, destination, routing_key, match)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO binding SELECT '/', source, 'queue', destination, routing_key, '' FROM binding_1;
        DROP TABLE binding_1;
        CREATE TABLE policy (
          host TEXT NOT NULL,
          name TEXT NOT NULL,
          pattern TEXT NOT NULL,
          applies_to TEXT NOT NULL CHECK (applies_to IN ('queues', 'topics', 'all')),
          priority INTEGER NOT NULL,
          PRIMARY KEY (host, name)
        ) STRICT, WITHOUT ROWID;
        -- What queues and topics are declared with, and what policies set.
        CREATE TABLE argument (
          kind TEXT NOT NULL CHECK (kind IN ('queue', 'topic', 'policy')),
          host TEXT NOT NULL,
          owner TEXT NOT NULL,
          name TEXT NOT NULL,
          value TEXT NOT NULL,
          PRIMARY KEY (kind, host, owner, name)
        ) STRICT, WITHOUT ROWID;
        -- Messages that wait for their time.
        CREATE TABLE schedule (
          id INTEGER PRIMARY KEY,
          due INTEGER NOT NULL, -- milliseconds since 1970
          log INTEGER, -- the queue that it goes back to; null: it is routed by the three names
          host TEXT,
          exchange TEXT,
          routing_key TEXT,
          priority INTEGER NOT NULL,
          ttl INTEGER, -- milliseconds
          crc INTEGER NOT NULL, -- CRC32C of all other columns
          data BLOB NOT NULL -- a Kafka record batch, version 2, of one record
        ) STRICT;
        CREATE INDEX schedule_by_due ON schedule (due, id);
        -- Message ids that were seen.
        CREATE TABLE dedup (
          log INTEGER NOT NULL,
          id BLOB NOT NULL,
          expires INTEGER NOT NULL, -- milliseconds since 1970
          PRIMARY KEY (log, id)
        ) STRICT, WITHOUT ROWID;
        -- Logs that go at the next start, with all that is stored of them.
        CREATE TABLE transient (
          log INTEGER PRIMARY KEY
        ) STRICT;
        INSERT INTO meta (key, value) VALUES ('next_schedule', 1);
        """
}
