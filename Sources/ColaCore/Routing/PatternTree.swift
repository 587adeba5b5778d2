/// What a pattern says, before it is laid out as steps.
indirect enum PatternTree {
    case empty
    case character(PatternSet)
    case begin
    case end
    case sequence([PatternTree])
    case either(PatternTree, PatternTree)
    /// At least `min` times, and at most `max`, where there is one.
    case repeated(PatternTree, min: Int, max: Int?)

    /// Appends the steps. The depth of the recursion is that of the groups.
    ///
    /// - Returns: false if they become too many, and then not all of them are there.
    func compile(into steps: inout [Pattern.Step]) -> Bool {
        guard steps.count < Pattern.stepsMax else { return false }
        switch self {
        case .empty: return true
        case .character(let set): steps.append(.take(set))
        case .begin: steps.append(.begin)
        case .end: steps.append(.end)
        case .sequence(let parts):
            for part in parts where !part.compile(into: &steps) { return false }
        case .either(let one, let other):
            let split = steps.count
            steps.append(.split(split + 1, split + 1))
            guard one.compile(into: &steps) else { return false }
            let jump = steps.count
            steps.append(.jump(jump + 1))
            steps[split] = .split(split + 1, steps.count)
            guard other.compile(into: &steps) else { return false }
            steps[jump] = .jump(steps.count)
        case .repeated(let part, let min, let max):
            for _ in 0..<min {
                let before = steps.count
                guard part.compile(into: &steps) else { return false }
                // Nothing, repeated, is nothing: `((){100}){100}` and deeper would take forever to say so.
                if steps.count == before { break }
            }
            guard let max else { return part.compileLoop(into: &steps) }
            for _ in 0..<max - min {
                let split = steps.count
                steps.append(.split(split + 1, split + 1))
                guard part.compile(into: &steps) else { return false }
                // Leaving one out leaves only more chances to leave one out: the same texts are found.
                steps[split] = .split(split + 1, steps.count)
            }
        }
        return true
    }

    private func compileLoop(into steps: inout [Pattern.Step]) -> Bool {
        let split = steps.count
        steps.append(.split(split + 1, split + 1))
        guard compile(into: &steps) else { return false }
        steps.append(.jump(split))
        steps[split] = .split(split + 1, steps.count)
        return true
    }
}
