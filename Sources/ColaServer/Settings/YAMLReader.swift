internal import CYAML
internal import ColaWorkers
internal import OrderedCollections

/// Reads a YAML document with libyaml, event by event.
///
/// The Swift packages that do it need the whole of Foundation, which would be more than all the rest of the program.
///
/// Source: YAML 1.1 as libyaml reads it; values stay as they were written, so no rule about what is a number applies.
final class YAMLReader {
    /// Why a text is no YAML, or none that is read here. Lines and columns count from 1.
    struct Problem: Error, CustomStringConvertible {
        var line: Int
        var column: Int
        var sentence: String

        var description: String { "line \(line), column \(column): \(sentence)" }
    }

    /// What a document may hold, so that aliases of aliases of aliases end somewhere.
    private static let nodesMax = 100_000
    private static let depthMax = 64

    /// On the heap: libyaml keeps a pointer to it inside of it.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var anchors: [String: (node: DefinitionNode, size: Int)] = [:]
    private var nodes = 0

    /// What `text` holds; nil: nothing.
    ///
    /// - Throws: ``Problem``.
    static func read(_ text: String) throws -> DefinitionNode? {
        var text = text
        return try text.withUTF8 { bytes in try YAMLReader(bytes).document() }
    }

    /// - Parameter bytes: have to stay where they are for as long as the reader is used.
    private init(_ bytes: UnsafeBufferPointer<UInt8>) throws {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) == 1 else {
            throw Problem(line: 1, column: 1, sentence: "there is no memory to read it")
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    private func document() throws -> DefinitionNode? {
        let first = try next()
        if case .end = first.kind { return nil }
        let node = try node(first, depth: 0)
        let last = try next()
        guard case .end = last.kind else { throw last.problem("a second document begins; write them into one") }
        return node
    }

    private func node(_ event: Event, depth: Int) throws -> DefinitionNode {
        guard depth < Self.depthMax else { throw event.problem("it goes deeper than \(Self.depthMax) levels") }
        try count(1, at: event)
        let before = nodes
        let node: DefinitionNode
        switch event.kind {
        case .scalar(let text, let isPlain):
            // Nothing at all, but not an empty text between quotation marks.
            node = .scalar(isPlain && ["~", "null"].contains(text) ? "" : text)
        case .sequence: node = .sequence(try elements(depth))
        case .mapping: node = .mapping(try fields(depth))
        case .alias(let name):
            guard let known = anchors[name] else { throw event.problem("nothing above is marked with &\(name)") }
            try count(known.size, at: event)
            return known.node
        case .endOfCollection, .end: throw event.problem("something is missing here")
        }
        if let anchor = event.anchor { anchors[anchor] = (node, nodes - before) }
        return node
    }

    private func elements(_ depth: Int) throws -> [DefinitionNode] {
        var elements: [DefinitionNode] = []
        while true {
            let event = try next()
            if case .endOfCollection = event.kind { return elements }
            elements.append(try node(event, depth: depth + 1))
        }
    }

    private func fields(_ depth: Int) throws -> OrderedDictionary<String, DefinitionNode> {
        var fields: OrderedDictionary<String, DefinitionNode> = [:]
        while true {
            let event = try next()
            if case .endOfCollection = event.kind { return fields }
            guard case .scalar(let key) = try node(event, depth: depth + 1) else {
                throw event.problem("a key that is no text")
            }
            guard fields[key] == nil else { throw event.problem("'\(key)' stands there twice") }
            fields[key] = try node(next(), depth: depth + 1)
        }
    }

    private func count(_ more: Int, at event: Event) throws {
        nodes += more
        guard nodes <= Self.nodesMax else { throw event.problem("it holds more than \(Self.nodesMax) values") }
    }

    // MARK: Events

    private struct Event {
        enum Kind {
            case scalar(String, isPlain: Bool)
            case sequence
            case mapping
            case alias(String)
            case endOfCollection
            case end
        }

        var kind: Kind
        var anchor: String?
        var mark: yaml_mark_t

        func problem(_ sentence: String) -> Problem { Problem(mark, sentence) }
    }

    /// The next one that says something about the content.
    private func next() throws -> Event {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
            defer { yaml_event_delete(&event) }
            if let event = Self.event(event) { return event }
        }
    }

    private static func event(_ event: yaml_event_t) -> Event? {
        let kind: Event.Kind
        var anchor: UnsafeMutablePointer<UInt8>?
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            kind = .scalar(String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            anchor = scalar.anchor
        case YAML_SEQUENCE_START_EVENT:
            kind = .sequence
            anchor = event.data.sequence_start.anchor
        case YAML_MAPPING_START_EVENT:
            kind = .mapping
            anchor = event.data.mapping_start.anchor
        case YAML_ALIAS_EVENT: kind = .alias(String(cString: event.data.alias.anchor))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: kind = .endOfCollection
        case YAML_STREAM_END_EVENT, YAML_NO_EVENT: kind = .end
        default: return nil
        }
        return Event(kind: kind, anchor: anchor.map { String(cString: $0) }, mark: event.start_mark)
    }

    private func problem() -> Problem {
        let sentence = parser.pointee.problem.map { String(cString: $0) } ?? "it cannot be read"
        return Problem(parser.pointee.problem_mark, sentence)
    }
}

extension YAMLReader.Problem {
    fileprivate init(_ mark: yaml_mark_t, _ sentence: String) {
        self.init(line: mark.line + 1, column: mark.column + 1, sentence: sentence)
    }
}
