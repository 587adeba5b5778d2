/// What a connection may cost, whatever protocol it speaks.
enum ConnectionLimits {
    /// How long a peer may make no progress while it is in the way: it takes none of what it is sent before the
    /// connection closes, or it sends nothing of a request for which others wait. Seconds.
    static let patienceSeconds: Int64 = 10
    /// An unfinished request of this size never waits for others': an acknowledgement must get through. Bytes.
    static let smallRequestBytes = 8_192
    /// What the reserve on the disk is made for; a larger request is read as long as there is room on the disk. Bytes.
    static let largeRequestBytes = 16 * 1_024 * 1_024
    /// With up to this many connections each may keep the memory that its last burst was read into.
    static let fewConnections = 256
    /// That memory, as it is after a usual burst. Bytes.
    static let burstBytes = 256 * 1_024
}
