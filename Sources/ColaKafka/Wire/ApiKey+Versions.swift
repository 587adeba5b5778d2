extension ApiKey {
    /// Whether messages of this version have compact strings and arrays, and tagged fields.
    package func isFlexible(_ version: Int16) -> Bool {
        guard let flexibleFrom else { return false }
        return version >= flexibleFrom
    }

    /// Whether requests of this version are answered.
    package func serves(_ version: Int16) -> Bool { served?.contains(version) ?? false }
}
