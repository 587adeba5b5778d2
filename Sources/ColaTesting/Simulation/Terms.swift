internal import ColaNative

/// What a message was published with, beside its body.
struct Terms {
    var priority = 0
    /// Milliseconds.
    var timeToLive: Int64?
    /// Milliseconds.
    var delay: Int64 = 0
    /// By which it is known again.
    var id: String?

    var properties: PublishProperties {
        var properties = PublishProperties()
        if priority > 0 { properties.priority = UInt8(clamping: priority) }
        properties.timeToLive = timeToLive
        properties.delay = delay > 0 ? delay : nil
        properties.id = id
        return properties
    }
}
