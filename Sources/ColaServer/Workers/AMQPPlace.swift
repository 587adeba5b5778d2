internal import ColaCore
internal import ColaWorkers

/// Where the processes of workers reach the server with AMQP.
struct AMQPPlace {
    /// Of a listener: `127.0.0.1:5672`.
    private let address: String

    /// - Parameter host: that it listens at.
    init(host: String, port: Int) {
        // What listens at every address of the machine is reached at its own, and nobody need look up that one's name.
        let host =
            switch host {
            case "0.0.0.0", "localhost": "127.0.0.1"
            case "::": "::1"
            default: host
            }
        address = "\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// What any client library takes. With the token in it, it is for the process alone.
    ///
    /// Source: RabbitMQ, "RabbitMQ URI Specification"
    func url(_ token: String, of definition: WorkerDefinition) -> String {
        let user = Self.escaped(Access.name(ofWorker: "\(definition.name)"))
        return "amqp://\(user):\(token)@\(address)/\(Self.escaped(definition.virtualHost))"
    }

    /// Source: RFC 3986 section 2.3, unreserved characters stand as they are
    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.append(byte)
            default: escaped += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }
}
