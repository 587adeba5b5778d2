extension Schema {
    /// Who may do what.
    static let users = """
        ALTER TABLE virtual_host ADD COLUMN description TEXT NOT NULL DEFAULT '';
        ALTER TABLE virtual_host ADD COLUMN tags TEXT NOT NULL DEFAULT ''; -- with commas between them
        ALTER TABLE virtual_host ADD COLUMN queue_type TEXT;
        ALTER TABLE virtual_host ADD COLUMN connections_max INTEGER; -- null: no limit
        ALTER TABLE virtual_host ADD COLUMN queues_max INTEGER; -- null: no limit
        CREATE TABLE user (
          name TEXT PRIMARY KEY NOT NULL,
          password TEXT, -- ALGORITHM[:ROUNDS]:SALT:HASH; null: none is right
          tags TEXT NOT NULL, -- with commas between them
          loopback_only INTEGER NOT NULL CHECK (loopback_only IN (0, 1)),
          connections_max INTEGER, -- null: no limit
          channels_max INTEGER -- null: no limit
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE permission (
          user TEXT NOT NULL,
          host TEXT NOT NULL,
          configure TEXT NOT NULL,
          write TEXT NOT NULL,
          read TEXT NOT NULL,
          PRIMARY KEY (user, host)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE topic_permission (
          user TEXT NOT NULL,
          host TEXT NOT NULL,
          exchange TEXT NOT NULL,
          write TEXT NOT NULL,
          read TEXT NOT NULL,
          PRIMARY KEY (user, host, exchange)
        ) STRICT, WITHOUT ROWID;
        -- Whom a server lets in to which nobody has said anything about users: from its own machine, with a password
        -- that everybody knows.
        INSERT INTO user VALUES (
          'guest', 'rabbitmq-sha256:00000000:f12843c6b78d8e830014622739282a8a106d7881a768862e47bb77e1552b3271', '', 1,
          NULL, NULL
        );
        INSERT INTO permission VALUES ('guest', '/', '.*', '.*', '.*');
        """
}
