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

extension World {
    /// No client publishes more in one run.
    var mayPublish: Bool { tally.published < 600 }

    /// How large a body is to be at least. Bytes.
    func drawSize() -> Int {
        switch draw(0...19) {
        case 0: draw(200...3_000)
        case 1...4: draw(20...200)
        default: 0
        }
    }

    /// What the places on the route have rules for.
    func drawTerms(on route: Route) -> Terms {
        var terms = Terms()
        let places = route.places.map { self.places[$0] }
        if places.contains(where: { $0.prioritiesMost > 0 }) { terms.priority = draw(0...4) }
        if places.allSatisfy({ $0.deadTo != nil && $0.retryDelay == nil }), isOne(in: 3) {
            terms.timeToLive = Int64(draw(20...600))
        }
        if places.contains(where: \.isDelayed) { terms.delay = Int64(draw(0...800)) }
        if places.contains(where: \.isDeduplicated) { terms.id = "id \(draw(1...30))" }
        return terms
    }
}
