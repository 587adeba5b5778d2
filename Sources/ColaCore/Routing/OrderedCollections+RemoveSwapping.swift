internal import OrderedCollections

// Removal whose cost does not grow with the collection. The order afterwards is another one, but the same on every run,
// which is what the core needs of it.

extension OrderedSet {
    /// Takes `element` out; the last one takes its place.
    ///
    /// - Returns: the member that was equal to it, or nil if there was none.
    /// - Complexity: O(1)
    @discardableResult
    mutating func removeSwapping(_ element: Element) -> Element? {
        guard let index = firstIndex(of: element) else { return nil }
        swapAt(index, count - 1)
        return removeLast()
    }
}

extension OrderedDictionary {
    /// Takes what `key` stands for out; the last entry takes its place.
    ///
    /// - Complexity: O(1)
    @discardableResult
    mutating func removeSwapping(_ key: Key) -> Value? {
        guard let index = index(forKey: key) else { return nil }
        swapAt(index, count - 1)
        return removeLast().value
    }
}
