import ColaClient
import ColaNative

/// What a load consists of.
struct BenchPlan: Sendable {
    var url: ColaURL
    var hello: ClientRequest.Hello
    var producers: Int
    var consumers: Int
    var queues: [String]
    var bodyBytes: Int
    /// Messages in all; nil runs for `seconds`.
    var count: Int?
    var seconds: Double
    /// Messages a second in all; nil is as many as go.
    var rate: Double?
    /// Messages a second that the consumers take in all while messages are published; nil is as many as come.
    var consumeRate: Double?
    var window: Int
    var prefetch: Int
    var ackBatch: Int

    /// How many of the messages a producer publishes; the first ones take what does not divide.
    func share(of producer: Int) -> Int {
        guard let count else { return .max }
        return count / producers + (producer < count % producers ? 1 : 0)
    }

    /// The queues a consumer takes from: each queue has at least one consumer, and each consumer at least one queue.
    func queues(of consumer: Int) -> [String] {
        if consumers >= queues.count { return [queues[consumer % queues.count]] }
        return queues.indices.filter { $0 % consumers == consumer }.map { queues[$0] }
    }

    /// A connection that has said hello.
    func connect() throws -> BenchSocket {
        var socket = try BenchSocket(url)
        try socket.ask(.hello(hello))
        return socket
    }
}
