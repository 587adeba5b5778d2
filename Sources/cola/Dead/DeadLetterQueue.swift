import ColaClient

/// A queue that holds dead letters, seen page by page.
struct DeadLetterQueue {
    let name: String
    let client: Client

    /// In the messages that come first it shows whether a queue has dead letters.
    static let sample = 100

    /// - Returns: the queue of the name; where it has no dead letters itself, the one in which its messages are parked,
    ///   if there is one.
    static func find(_ name: String, _ client: Client) async throws -> DeadLetterQueue {
        let queue = DeadLetterQueue(name: name, client: client)
        guard try await !queue.hasDeadLetters() else { return queue }
        let parking = DeadLetterQueue(name: "cola.parked." + name, client: client)
        // A name longer than names may be is one that no client can ask for.
        guard parking.name.utf8.count <= 255 else { return queue }
        do {
            return try await parking.hasDeadLetters() ? parking : queue
        } catch let error as ColaError where error.code == .notFound {
            return queue
        }
    }

    func hasDeadLetters() async throws -> Bool {
        try await client.browse(name, count: Self.sample).messages.contains { DeadLetter($0, in: name) != nil }
    }

    /// Hands over the messages that the filter includes, in the order of delivery, until `take` has enough.
    ///
    /// - Parameter take: gets nil for one that has not died; says whether it wants more.
    func each(_ filter: DeadLetterFilter, _ take: (DeadLetter?) throws -> Bool) async throws {
        let now = UTCTime.now
        var position: BrowsePosition?
        repeat {
            let page = try await client.browse(name, from: position, count: 1_000)
            for message in page.messages where filter.includes(message, at: now) {
                guard try take(DeadLetter(message, in: name)) else { return }
            }
            position = page.next
        } while position != nil
    }
}
