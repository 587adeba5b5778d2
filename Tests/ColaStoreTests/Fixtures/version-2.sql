-- A file of schema version 2, as the sqlite3 shell dumps it, with the two settings that a dump leaves out.
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
, next_expiry INTEGER) STRICT;
INSERT INTO logstate VALUES(1,0,5,4,64,0,0,3482940033,1800000000000);
INSERT INTO logstate VALUES(2,0,0,0,0,0,0,742262687,NULL);
INSERT INTO logstate VALUES(3,0,0,0,0,0,0,2994002535,NULL);
INSERT INTO logstate VALUES(4,0,0,0,0,0,0,1739870364,NULL);
INSERT INTO logstate VALUES(5,0,0,0,0,0,0,4194209124,NULL);
CREATE TABLE settled (
  log INTEGER NOT NULL,
  base INTEGER NOT NULL,
  data BLOB NOT NULL,
  crc INTEGER NOT NULL, -- CRC32C of log and base, each as 8 bytes, little-endian, and data
  PRIMARY KEY (log, base)
) STRICT, WITHOUT ROWID;
INSERT INTO settled VALUES(1,0,X'0004',30824464);
CREATE TABLE group_offset (
  group_name TEXT NOT NULL,
  log INTEGER NOT NULL,
  next INTEGER NOT NULL CHECK (next >= 0),
  PRIMARY KEY (log, group_name)
) STRICT, WITHOUT ROWID;
INSERT INTO group_offset VALUES('g',4,0);
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
INSERT INTO meta VALUES('next_log',6);
INSERT INTO meta VALUES('next_schedule',2);
CREATE TABLE released (
  log INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  deliveries INTEGER NOT NULL CHECK (deliveries >= 0),
  fate TEXT CHECK (fate IN ('rejected', 'delivery-limit', 'delayed')), -- null: back to its place
  due INTEGER, -- of a delayed one; milliseconds since 1970
  PRIMARY KEY (log, offset)
) STRICT, WITHOUT ROWID;
INSERT INTO released VALUES(1,1,2,'rejected',NULL);
CREATE TABLE virtual_host (
  name TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO virtual_host VALUES('/');
INSERT INTO virtual_host VALUES('h');
CREATE TABLE queue (
  log INTEGER PRIMARY KEY, -- of priority 0
  host TEXT NOT NULL,
  name TEXT NOT NULL,
  auto_delete INTEGER NOT NULL CHECK (auto_delete IN (0, 1)),
  UNIQUE (host, name)
) STRICT;
INSERT INTO queue VALUES(1,'/','q1',0);
INSERT INTO queue VALUES(2,'h','q',1);
CREATE TABLE priority_log (
  queue INTEGER NOT NULL, -- the log of priority 0
  priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 255),
  log INTEGER NOT NULL UNIQUE,
  PRIMARY KEY (queue, priority)
) STRICT, WITHOUT ROWID;
INSERT INTO priority_log VALUES(2,4,3);
CREATE TABLE topic (
  host TEXT NOT NULL,
  name TEXT NOT NULL,
  partition INTEGER NOT NULL CHECK (partition >= 0),
  log INTEGER NOT NULL UNIQUE,
  PRIMARY KEY (host, name, partition)
) STRICT, WITHOUT ROWID;
INSERT INTO topic VALUES('h','t',0,4);
INSERT INTO topic VALUES('h','t',1,5);
CREATE TABLE exchange (
  host TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  alternate TEXT,
  PRIMARY KEY (host, name)
) STRICT, WITHOUT ROWID;
INSERT INTO exchange VALUES('h','e','headers','a');
CREATE TABLE binding (
  host TEXT NOT NULL,
  source TEXT NOT NULL,
  target TEXT NOT NULL CHECK (target IN ('queue', 'exchange')),
  destination TEXT NOT NULL,
  routing_key TEXT NOT NULL,
  match TEXT NOT NULL, -- empty, or: all|any, and for each header ' LENGTH:NAME' with or without '=LENGTH:VALUE'
  PRIMARY KEY (host, source, target, destination, routing_key, match)
) STRICT, WITHOUT ROWID;
INSERT INTO binding VALUES('h','e','exchange','f','k','any 1:n=1:v');
CREATE TABLE policy (
  host TEXT NOT NULL,
  name TEXT NOT NULL,
  pattern TEXT NOT NULL,
  applies_to TEXT NOT NULL CHECK (applies_to IN ('queues', 'topics', 'all')),
  priority INTEGER NOT NULL,
  PRIMARY KEY (host, name)
) STRICT, WITHOUT ROWID;
INSERT INTO policy VALUES('h','p','^q','queues',1);
CREATE TABLE argument (
  kind TEXT NOT NULL CHECK (kind IN ('queue', 'topic', 'policy')),
  host TEXT NOT NULL,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (kind, host, owner, name)
) STRICT, WITHOUT ROWID;
INSERT INTO argument VALUES('policy','h','p','max-length','10');
INSERT INTO argument VALUES('queue','h','q','max-length','10');
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
INSERT INTO schedule VALUES(1,1800000000000,NULL,'h','e','k',3,60000,1630637414,X'00000000000000000000003d0000000002494fc06c00000000000000000000000000000000000000000000ffffffffffffffffffffffffffff0000000116000000010a6c6174657200');
CREATE TABLE dedup (
  log INTEGER NOT NULL,
  id BLOB NOT NULL,
  expires INTEGER NOT NULL, -- milliseconds since 1970
  PRIMARY KEY (log, id)
) STRICT, WITHOUT ROWID;
INSERT INTO dedup VALUES(2,X'6d31',1800000000000);
CREATE TABLE transient (
  log INTEGER PRIMARY KEY
) STRICT;
CREATE UNIQUE INDEX chunk_by_log ON chunk (log, base);
CREATE INDEX schedule_by_due ON schedule (due, id);
COMMIT;
PRAGMA application_id=1131375713;
PRAGMA user_version=2;
