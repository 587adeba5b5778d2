/// Fields that follow one another on the wire: a message, or a part of one.
///
/// The structs in `Messages` are generated from `protocol/kafka-messages.txt`. One of them stands for all versions: a
/// field that a version does not have keeps its default when it is read, and is left out when it is written.
package protocol WireStruct: Equatable, Sendable {
    /// - Throws: `Malformed`, and the reader is of no more use.
    init(from reader: inout KafkaReader, version: Int16) throws(Malformed)

    func write(to writer: inout KafkaWriter, version: Int16)

    /// The bytes of all `records` fields together, so that what is large is written into memory that was made for it.
    var recordBytes: Int { get }
}

extension WireStruct {
    package var recordBytes: Int { 0 }
}

/// What an array has many of.
package protocol WireElement: WireStruct {
    /// The fewest bytes one can have in any version, never 0: how many can follow is known by it.
    static var minimumBytes: Int { get }
}
