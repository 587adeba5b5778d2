extension Schema {
    static let exchangeArguments = """
        -- Exchanges that do not outlive the process are not stored.
        ALTER TABLE exchange RENAME TO exchange_2;
        CREATE TABLE exchange (
          host TEXT NOT NULL,
          name TEXT NOT NULL,
          kind TEXT NOT NULL, -- how it routes
          alternate TEXT,
          auto_delete INTEGER NOT NULL CHECK (auto_delete IN (0, 1)),
          internal INTEGER NOT NULL CHECK (internal IN (0, 1)),
          delayed INTEGER NOT NULL CHECK (delayed IN (0, 1)),
          arguments TEXT NOT NULL, -- in the form of those of bindings
          PRIMARY KEY (host, name)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO exchange SELECT host, name, kind, alternate, 0, 0, 0, '' FROM exchange_2;
        DROP TABLE exchange_2;
        ALTER TABLE binding RENAME TO binding_2;
        CREATE TABLE binding (
          host TEXT NOT NULL,
          source TEXT NOT NULL,
          target TEXT NOT NULL CHECK (target IN ('queue', 'exchange')),
          destination TEXT NOT NULL,
          routing_key TEXT NOT NULL,
          -- the argument x-match, if it is text; and for each other ' LENGTH:NAME' with or without '=LENGTH:TEXT'; i,
          -- f, t or o in the place of =: an integer, a float, a truth, or what only a protocol can read
          arguments TEXT NOT NULL,
          PRIMARY KEY (host, source, target, destination, routing_key, arguments)
        ) STRICT, WITHOUT ROWID;
        -- Headers that begin with x- were compared as all are.
        INSERT INTO binding
          SELECT host, source, target, destination, routing_key,
            CASE WHEN match GLOB '* [0-9]*:x-*' THEN substr(match, 1, 3) || '-with-x' || substr(match, 4) ELSE match END
          FROM binding_2;
        DROP TABLE binding_2;
        """
}
