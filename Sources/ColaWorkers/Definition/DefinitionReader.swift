internal import ColaCore
internal import OrderedCollections

/// Takes values out of one worker's part of the file, and gathers what is wrong instead of ending with the first: who
/// corrects a file wants to know all of it.
///
/// Each method returns nil for a field that is not there and for one that is wrong, which it has then written down.
struct DefinitionReader {
    /// As it was written, right or wrong.
    let worker: String
    private(set) var errors: [DefinitionError] = []

    init(worker: String) { self.worker = worker }

    /// A mapping with its place in the worker: empty for the worker itself.
    struct Section {
        let path: String
        let fields: OrderedDictionary<String, DefinitionNode>

        subscript(key: String) -> DefinitionNode? { fields[key] }

        func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    }

    mutating func fail(_ path: String, _ problem: String) {
        errors.append(DefinitionError(worker: worker, field: path, problem: problem))
    }

    /// "is '…'; it must be …"
    mutating func fail(_ path: String, _ node: DefinitionNode, mustBe expected: String) {
        fail(path, "is '\(node.text)'; it must be \(expected)")
    }

    /// `node` as a mapping whose keys are all among `keys`.
    mutating func section(_ node: DefinitionNode, path: String, keys: [String]) -> Section? {
        guard case .mapping(let fields) = node else {
            fail(path, node, mustBe: "lines of the form `name: value`, with \(keys.joined(separator: ", "))")
            return nil
        }
        let section = Section(path: path, fields: fields)
        for key in fields.keys where !keys.contains(key) {
            let near = Spelling.nearest(to: key, among: keys)
            let hint = near.map { "did you mean \($0)?" } ?? "there are \(keys.joined(separator: ", "))"
            fail(section.path(of: key), "is no setting of a worker; \(hint)")
        }
        return section
    }

    mutating func section(_ key: String, of section: Section, keys: [String]) -> Section? {
        section[key].flatMap { self.section($0, path: section.path(of: key), keys: keys) }
    }

    mutating func text(_ key: String, of section: Section) -> String? {
        guard let node = section[key] else { return nil }
        guard case .scalar(let text) = node, !text.isEmpty, !text.utf8.contains(0) else {
            fail(section.path(of: key), node, mustBe: "a text that is not empty")
            return nil
        }
        return text
    }

    mutating func texts(_ key: String, of section: Section) -> [String]? {
        guard let node = section[key] else { return nil }
        let expected = "a list of texts, such as [PATH, HOME]"
        guard case .sequence(let nodes) = node else {
            fail(section.path(of: key), node, mustBe: expected)
            return nil
        }
        var texts: [String] = []
        for node in nodes {
            guard case .scalar(let text) = node, !text.utf8.contains(0) else {
                fail(section.path(of: key), node, mustBe: expected)
                return nil
            }
            texts.append(text)
        }
        return texts
    }

    mutating func number(_ key: String, of section: Section, in range: ClosedRange<Int64>) -> Int64? {
        guard let node = section[key] else { return nil }
        guard case .scalar(let text) = node, text.first != "+", let number = Int64(text), range.contains(number) else {
            fail(section.path(of: key), node, mustBe: "a number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    /// - Returns: milliseconds.
    mutating func duration(
        _ key: String, of section: Section, from least: Int64 = 0, to most: Int64 = Quantity.millisecondsMost
    ) -> Int64? {
        section[key].flatMap { duration($0, path: section.path(of: key), from: least, to: most) }
    }

    mutating func duration(
        _ node: DefinitionNode, path: String, from least: Int64 = 0, to most: Int64 = Quantity.millisecondsMost
    ) -> Int64? {
        guard case .scalar(let text) = node, let value = Quantity.milliseconds(text), (least...most).contains(value)
        else {
            let ends = "from \(Quantity.text(milliseconds: least)) to \(Quantity.text(milliseconds: most))"
            fail(path, node, mustBe: "a duration \(ends) with its unit, such as 500ms, 30s or 5 min")
            return nil
        }
        return value
    }

    /// - Returns: bytes.
    mutating func size(_ key: String, of section: Section, in range: ClosedRange<Int64>) -> Int64? {
        guard let node = section[key] else { return nil }
        guard case .scalar(let text) = node, let bytes = Quantity.bytes(text), range.contains(bytes) else {
            let ends = "from \(Quantity.text(bytes: range.lowerBound)) to \(Quantity.text(bytes: range.upperBound))"
            fail(section.path(of: key), node, mustBe: "a size \(ends), such as 512MiB or 2G")
            return nil
        }
        return bytes
    }

    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, of section: Section, as type: Choice.Type
    ) -> Choice? {
        section[key].flatMap { choice($0, path: section.path(of: key), as: type) }
    }

    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ node: DefinitionNode, path: String, as type: Choice.Type
    ) -> Choice? {
        if case .scalar(let text) = node, let choice = Choice(rawValue: text) { return choice }
        fail(path, node, mustBe: Choice.allCases.map(\.rawValue).joined(separator: " or "))
        return nil
    }

    /// A decimal number, 1 to `most`.
    mutating func factor(_ key: String, of section: Section, to most: Double) -> Double? {
        guard let node = section[key] else { return nil }
        guard case .scalar(let text) = node, let value = Double(text), value >= 1, value <= most else {
            fail(section.path(of: key), node, mustBe: "a number from 1 to \(Int(most)), such as 2 or 1.5")
            return nil
        }
        return value
    }

    /// `20%`, from 0 to 1.
    mutating func part(_ key: String, of section: Section) -> Double? {
        guard let node = section[key] else { return nil }
        guard case .scalar(let text) = node, text.hasSuffix("%"), let percent = Int(text.dropLast()),
            text.first != "+", (0...100).contains(percent)
        else {
            fail(section.path(of: key), node, mustBe: "a part from 0% to 100%, such as 20%")
            return nil
        }
        return Double(percent) / 100
    }

    /// `first`, `most`, `factor` and `jitter`.
    mutating func growingDelay(
        _ section: Section, standard: ExponentialDelay, from least: Int64 = 0
    ) -> ExponentialDelay {
        var delay = standard
        let first = duration("first", of: section, from: least)
        let most = duration("most", of: section, from: least)
        delay.first = first ?? min(delay.first, most ?? delay.first)
        delay.most = most ?? max(delay.most, delay.first)
        delay.factor = factor("factor", of: section, to: 100) ?? delay.factor
        delay.jitter = part("jitter", of: section) ?? delay.jitter
        if delay.first > delay.most {
            let given = Quantity.text(milliseconds: delay.first)
            let other = Quantity.text(milliseconds: delay.most)
            fail(section.path(of: "first"), "is '\(given)'; it must be at most \(section.path(of: "most")), \(other)")
            return standard
        }
        return delay
    }
}
