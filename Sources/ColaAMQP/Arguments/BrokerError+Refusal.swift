package import ColaCore

extension Inequivalence {
    /// The reply text of a declaration that does not fit what is there; the code is 406, or 405 where only one of the
    /// two is exclusive.
    package var refusal: Refusal {
        if isExclusivity {
            return Refusal(
                code: 405,
                "cannot obtain exclusive access to locked queue '\(name)' in vhost '\(host)'. It could be originally "
                    + "declared on another connection or the exclusive property value does not match that of the "
                    + "original declaration.")
        }
        return Refusal(sentence(\.nameInAMQP))
    }
}

extension Refusal {
    /// A consumer held a message for longer than it may: its channel ends.
    ///
    /// - Parameter milliseconds: as ``BrokerError/heldTooLong(_:name:milliseconds:)`` has it.
    package static func deliveryTimedOut(channel: UInt16, milliseconds: Int64) -> Refusal {
        Refusal(
            "delivery acknowledgement on channel \(channel) timed out. Timeout value used: \(milliseconds) ms. This "
                + "timeout value can be configured, see consumers doc guide to learn more")
    }
}
