package import ColaCore

/// What a channel heard from the broker, in a form that can be compared.
package enum Heard: Equatable, Sendable {
    case answer(RequestID, Answer)
    case message(Received)
    /// A consumer was ended, or told of damage: the error's code.
    case failed(ConsumerTag, code: String)
    case windowFull
    case blocked(String?)

    /// The answer to a request, without what a test seldom asks for.
    package enum Answer: Equatable, Sendable {
        case done
        case declared(messages: Int)
        case removed(messages: Int)
        case message(Received)
        case backedUp(bytes: Int)
        case empty
        case peeked([Received])
        case rows([Description])
        case description(Description)
        case named(String)
        case duplicate
        case refused(code: String)
    }

    /// A message as its receiver sees it. Its consumer is 0 where none was asked for it.
    package struct Received: Equatable, Hashable, Sendable {
        package var consumer: UInt64
        package var tag: UInt64
        package var offset: Int64
        package var redelivered: Int?
        package var body: String

        package init(consumer: UInt64, tag: UInt64, offset: Int64, redelivered: Int?, body: String) {
            self.consumer = consumer
            self.tag = tag
            self.offset = offset
            self.redelivered = redelivered
            self.body = body
        }

        init(_ delivery: Delivery, consumer: UInt64) {
            self.init(
                consumer: consumer, tag: delivery.tag.rawValue, offset: delivery.entry.offset.rawValue,
                redelivered: delivery.redelivered,
                body: String(decoding: delivery.data[delivery.entry.value.range], as: UTF8.self))
        }
    }
}

extension Description {
    /// The number of that name; -1 if there is none.
    package func number(_ name: String) -> Int {
        if case .number(let number) = self[name] { number } else { -1 }
    }
}

extension Heard.Answer {
    init(_ reply: Reply) {
        switch reply {
        case .done, .consuming: self = .done
        // What is in them, `effectListener` tells.
        case .topic, .group: self = .done
        case .declared(let messages, _): self = .declared(messages: messages)
        case .removed(let messages): self = .removed(messages: messages)
        case .message(let delivery, _): self = .message(Heard.Received(delivery, consumer: 0))
        case .empty: self = .empty
        case .backedUp(let bytes): self = .backedUp(bytes: bytes)
        case .peeked(let deliveries, _): self = .peeked(deliveries.map { Heard.Received($0, consumer: 0) })
        case .rows(let rows): self = .rows(rows)
        case .description(let description): self = .description(description)
        case .named(let name), .token(let name): self = .named(name)
        case .duplicate: self = .duplicate
        case .returned: self = .refused(code: "unroutable")
        case .refused(let error): self = .refused(code: error.code)
        case .refusedBySession(let refusal): self = .refused(code: refusal.code)
        }
    }
}
