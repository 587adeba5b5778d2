/// Bytes that are not what they should be.
package struct Malformed: Error, Hashable, Sendable {
    /// What is wrong with them, for people.
    package let reason: String

    init(_ reason: String) {
        self.reason = reason
    }

    static let cutOff = Malformed("they end in the middle of a value")
    static let notUTF8 = Malformed("a string is not valid UTF-8")
    static let null = Malformed("null where a value must be")
    static let negativeLength = Malformed("a length below -1")
    static let stringTooLong = Malformed("a string of more than \(KafkaReader.stringBytesMax) bytes")
    static let varintTooLong = Malformed("a varint of more than 32 bits")
    static let countBeyondEnd = Malformed("an array of more elements than there are bytes for")
    static let tooManyElements = Malformed("more elements in arrays than a message may have")
    static let tagOrder = Malformed("tagged fields that are not in ascending order")
    static let tagBeyondEnd = Malformed("a tagged field that goes beyond the end")
    static let tagSize = Malformed("a tagged field that is not as long as it says")
    static let nullMark = Malformed("a struct that is marked neither as null nor as present")
}
