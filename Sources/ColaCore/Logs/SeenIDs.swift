/// The deduplication window of one queue or topic, and the last batch that it grew in.
struct SeenIDs {
    var window = DedupWindow()
    /// An answer that says "seen before" stands for what was seen, so it waits for this.
    var lastBatch = BatchNumber(0)
}
