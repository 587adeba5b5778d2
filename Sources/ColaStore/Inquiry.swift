internal import ColaCore

/// What is asked of a store besides commits, and who is told.
enum Inquiry: Sendable {
    case read(ReadRequest, @Sendable (Result<ReadResult, StoreError>) -> Void)
    case fetch(ReadRequest, @Sendable (Result<PackedRead, StoreError>) -> Void)
    case ask(Query, @Sendable (Result<QueryResult, StoreError>) -> Void)

    /// Tells whoever asked that nobody answers any more.
    func refuse() {
        let error = StoreError.unexpected(operation: "read", code: 0, reason: "the store is closed")
        switch self {
        case .read(_, let completion): completion(.failure(error))
        case .fetch(_, let completion): completion(.failure(error))
        case .ask(_, let completion): completion(.failure(error))
        }
    }
}
