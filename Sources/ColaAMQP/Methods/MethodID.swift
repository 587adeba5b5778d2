/// The number of a method: that of its class, and its own within the class.
package struct MethodID: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
    package let classID: UInt16
    package let methodID: UInt16

    package init(classID: UInt16, methodID: UInt16) {
        self.classID = classID
        self.methodID = methodID
    }

    /// Both as they stand on the wire, one after the other.
    package var rawValue: UInt32 { UInt32(classID) << 16 | UInt32(methodID) }

    /// Which method a method frame holds; nil if it is too short to say.
    package init?(_ payload: UnsafeRawBufferPointer) {
        guard payload.count >= 4 else { return nil }
        let number = UInt32(bigEndian: payload.loadUnaligned(as: UInt32.self))
        self.init(classID: UInt16(truncatingIfNeeded: number >> 16), methodID: UInt16(truncatingIfNeeded: number))
    }

    /// `queue.declare`, for texts; `60.99` for a method that there is not.
    package var name: String { knownName ?? "\(classID).\(methodID)" }

    package var description: String { name }
}
