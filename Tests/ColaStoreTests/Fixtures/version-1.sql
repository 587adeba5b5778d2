-- A file of schema version 1, as the sqlite3 shell dumps it, with the two settings that a dump leaves out.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO chunk VALUES(1,1,0,2,3,48,1700000000000,1700000000002,NULL,0,1,X'0000000000000000000000760000000002d72c623d0000000000020000018bcfe568000000018bcfe56802ffffffffffffffffffffffffffff000000032c000000012007070707070707070707070707070707002c000202012026262626262626262626262626262626002c00040401204545454545454545454545454545454500');
INSERT INTO chunk VALUES(2,1,3,4,2,32,1700000000003,1700000000004,NULL,0,1,X'00000000000000030000005f000000000259c9bc5c0000000000010000018bcfe568030000018bcfe56804ffffffffffffffffffffffffffff000000022c000000012064646464646464646464646464646464002c00020201208383838383838383838383838383838300');
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
INSERT INTO logstate VALUES(1,0,5,5,80,0,0,2082186848);
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
INSERT INTO queue VALUES(1,'q1');
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
CREATE TABLE garbage (
  log INTEGER NOT NULL,
  first INTEGER NOT NULL CHECK (first >= 0), -- chunks that begin from here on
  below INTEGER NOT NULL CHECK (below >= first), -- up to here
  whole INTEGER NOT NULL CHECK (whole IN (0, 1)), -- 1: the log itself is gone
  PRIMARY KEY (log, first)
) STRICT, WITHOUT ROWID;
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
INSERT INTO meta VALUES('clean_epoch',1);
INSERT INTO meta VALUES('epoch',1);
INSERT INTO meta VALUES('next_log',2);
CREATE UNIQUE INDEX chunk_by_log ON chunk (log, base);
COMMIT;
PRAGMA application_id=1131375713;
PRAGMA user_version=1;
