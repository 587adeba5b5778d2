extension Schema {
    /// Policies for more than three kinds of things.
    static let policyKinds = """
        ALTER TABLE policy RENAME TO policy_2;
        CREATE TABLE policy (
          host TEXT NOT NULL,
          name TEXT NOT NULL,
          pattern TEXT NOT NULL,
          applies_to TEXT NOT NULL, -- as in the native protocol
          priority INTEGER NOT NULL,
          PRIMARY KEY (host, name)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO policy SELECT host, name, pattern, applies_to, priority FROM policy_2;
        DROP TABLE policy_2;
        """
}
