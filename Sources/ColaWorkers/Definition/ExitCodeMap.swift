/// What becomes of a message when the process that was started for it has ended.
///
/// A code that a rule names is a decision of the program; one that none names is a crash, which counts toward the
/// pause that a worker makes after several in a row.
package struct ExitCodeMap: Equatable, Sendable {
    package enum Outcome: String, CaseIterable, Sendable {
        /// It is done.
        case ack
        /// It is handed out again, by the rule for retries.
        case retry
        /// It is dead-lettered, or dropped where the queue has no place for dead letters.
        case reject
    }

    package struct Rule: Equatable, Sendable {
        package var codes: ClosedRange<Int32>
        package var outcome: Outcome

        package init(codes: ClosedRange<Int32>, outcome: Outcome) {
            self.codes = codes
            self.outcome = outcome
        }
    }

    /// No two share a code.
    package var rules: [Rule]
    /// For codes that no rule names.
    package var others: Outcome
    /// For a process that a signal ended: the machine may have been short of memory, so the message gets its chance.
    package var signal: Outcome

    package init(
        rules: [Rule] = [Rule(codes: 0...0, outcome: .ack), Rule(codes: 75...75, outcome: .retry)],
        others: Outcome = .reject, signal: Outcome = .retry
    ) {
        self.rules = rules
        self.others = others
        self.signal = signal
    }

    package func outcome(of status: ExitStatus) -> Outcome {
        switch status {
        case .code(let code): rules.first { $0.codes.contains(code) }?.outcome ?? others
        case .signal: signal
        }
    }

    /// Whether the program did not decide what becomes of the message.
    package func isCrash(_ status: ExitStatus) -> Bool {
        switch status {
        case .code(let code): !rules.contains { $0.codes.contains(code) }
        case .signal: true
        }
    }
}
