import ColaNative

/// Where a peek has found a message: each priority counts its own offsets, and the higher one is shown first.
struct PeekPlace: Equatable {
    var priority: Int
    var offset: Int64

    func comes(before other: PeekPlace) -> Bool {
        priority == other.priority ? offset < other.offset : priority > other.priority
    }
}

extension Place {
    /// The priority as which a message of this place counts.
    func priority(of arrival: ServerLine.Arrival) -> Int {
        let header = arrival.headers.last { $0.name == "cola-priority" }
        return min(prioritiesMost, header.flatMap { Int(String(decoding: $0.value, as: UTF8.self)) } ?? 0)
    }
}
