/// Publishes and settlements that one channel committed together: all of it is there, or nothing.
struct Transaction {
    enum State { case sent, confirmed, refused }

    /// The channel.
    var link: Int
    var publishes: [Int]
    var receptions: [Reception]
    var state = State.sent
}

extension Ledger {
    /// A commit is sent.
    ///
    /// - Returns: its number.
    func commit(
        _ publishes: [Int], _ settlements: [(Reception, Reception.Settlement)], over link: Int, at time: Int64
    ) -> Int {
        for publish in publishes { answer(publish, .sent, at: time) }
        for (reception, settlement) in settlements { reception.settle(settlement, at: time) }
        transactions.append(Transaction(link: link, publishes: publishes, receptions: settlements.map(\.0)))
        return transactions.count - 1
    }

    func answerCommit(_ number: Int, isDone: Bool, at time: Int64) {
        transactions[number].state = isDone ? .confirmed : .refused
        for publish in transactions[number].publishes { answer(publish, isDone ? .confirmed : .refused, at: time) }
        if !isDone { for reception in transactions[number].receptions { reception.unsettle() } }
    }

    /// G2 for transactions: publishes and settlements are there together or not at all.
    func checkTransactions() {
        for (number, transaction) in transactions.enumerated() where transaction.state != .refused {
            let all = transaction.publishes.flatMap { presences(of: publishes[$0]) }
            let name = "transaction \(number) of channel \(transaction.link)"
            if all.contains(.there), all.contains(.missing) {
                complain("\(name) is there in part: of its messages some are missing")
            }
            if all.contains(.there) {
                for reception in transaction.receptions where reception.isDone {
                    guard let again = queues[reception.place].reception(after: reception) else { continue }
                    complain(
                        "\(name) is there in part: message \(reception.message), which it settled, came again "
                            + "over link \(again.link)")
                }
            } else if all.contains(.missing) {
                for reception in transaction.receptions { reception.unsettle() }
            }
        }
    }
}
