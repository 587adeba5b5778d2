/// The hash that decides between bindings: the same for ever, as a key must lead to the same place after a restart.
///
/// Source: FNV-1a, 64 bits (Fowler, Noll, Vo); the mixing of SplitMix64 (Steele, Lea, Flood 2014)
enum RoutingHash {
    static func of(_ bytes: some Sequence<UInt8>) -> UInt64 {
        mix(bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 })
    }

    /// Every bit of the number changes half of those of the result.
    static func mix(_ number: UInt64) -> UInt64 {
        var number = number &+ 0x9e37_79b9_7f4a_7c15
        number = (number ^ (number >> 30)) &* 0xbf58_476d_1ce4_e5b9
        number = (number ^ (number >> 27)) &* 0x94d0_49bb_1331_11eb
        return number ^ (number >> 31)
    }
}
