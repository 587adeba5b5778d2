extension Schema {
    /// What clients of Kafka say with an offset.
    static let groupMetadata = """
        ALTER TABLE group_offset ADD COLUMN leader_epoch INTEGER NOT NULL DEFAULT -1; -- -1: not said
        ALTER TABLE group_offset ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
        """
}
