/// What an exchange or a binding is declared with beside its name: names and typed values, each name once.
///
/// It is kept as it was given, whether anybody here understands it or not: it is part of what tells one binding from
/// another, and is shown to whoever asks. The protocols write it down in their own ways.
///
/// Shape:  sorted by name
package struct ArgumentTable: Hashable, Sendable {
    package enum Value: Hashable, Sendable {
        /// AMQP's void.
        case nothing
        case truth(Bool)
        case integer(Int64)
        /// As its bits, so that a value equals itself, whatever it is.
        case float(bitPattern: UInt64)
        case text(String)
        /// A value that only the protocol it came by can read: its type there, its bytes, and how it stands in a header
        /// of a message, if it does.
        case opaque(type: UInt8, [UInt8], text: String?)
    }

    package struct Entry: Hashable, Sendable {
        package var name: String
        package var value: Value

        package init(name: String, value: Value) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    /// Of a name that stands there twice, the last value counts.
    package init(_ entries: some Sequence<(name: String, value: Value)>) {
        // Sorted once: anybody may send many.
        var numbered = entries.enumerated().map {
            (number: $0.offset, entry: Entry(name: $0.element.name, value: $0.element.value))
        }
        numbered.sort { ($0.entry.name, $0.number) < ($1.entry.name, $1.number) }
        for (_, entry) in numbered {
            if self.entries.last?.name == entry.name { self.entries.removeLast() }
            self.entries.append(entry)
        }
    }

    package var isEmpty: Bool { entries.isEmpty }

    /// - Complexity: O(n), as there are few.
    package subscript(_ name: String) -> Value? {
        get { entries.first { $0.name == name }?.value }
        set {
            let index = entries.firstIndex { $0.name >= name } ?? entries.endIndex
            let isThere = index < entries.endIndex && entries[index].name == name
            switch (newValue, isThere) {
            case (let value?, true): entries[index].value = value
            case (let value?, false): entries.insert(Entry(name: name, value: value), at: index)
            case (nil, true): entries.remove(at: index)
            case (nil, false): break
            }
        }
    }
}

extension ArgumentTable: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, Value)...) {
        self.init(elements.map { (name: $0, value: $1) })
    }
}

extension ArgumentTable.Value {
    package static func float(_ number: Double) -> Self { .float(bitPattern: number.bitPattern) }

    /// The form in which it is compared with a header of a message, which is text; nil for nothing, and for what no
    /// header holds.
    package var text: String? {
        switch self {
        case .nothing: nil
        case .truth(let truth): truth ? "true" : "false"
        case .integer(let number): "\(number)"
        case .float(let bits): "\(Double(bitPattern: bits))"
        case .text(let text): text
        case .opaque(_, _, let text): text
        }
    }
}

extension ArgumentTable {
    /// Two small digits for each byte.
    package static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.reduce(into: "") { text, byte in
            if byte < 0x10 { text += "0" }
            text += String(byte, radix: 16)
        }
    }
}
