import ColaClient
import ColaNative
import NIOCore

// Requests before and after the load, each of them waited for.
extension BenchSocket {
    /// Sends a request without a tag and waits for its `ok`; a delivery before it is an error here.
    mutating func ask(_ request: ClientRequest) throws {
        request.write(to: &output)
        try awaitOk(within: 30_000_000_000)
    }

    /// Waits for one `ok`.
    /// - Throws: ``ColaError`` with what the broker said instead, or when the time is over.
    mutating func awaitOk(within nanoseconds: Int64) throws {
        let deadline = monotonicNanoseconds() + nanoseconds
        var decoder = ClientDecoder()
        while monotonicNanoseconds() < deadline {
            try send()
            guard try receive() else {
                wait(nanoseconds: 50_000_000)
                continue
            }
            decoder.feed(ByteBuffer(bytes: readable))
            take(readable.count)
            while let line = try decoder.next() {
                switch line {
                case .ok: return
                case .error(let refusal): throw Self.error(refusal)
                case .bye(let code, let sentence):
                    throw ColaError(code: ColaError.Code(rawValue: code), message: sentence, isRetryable: false)
                default: continue
                }
            }
        }
        throw ColaError(code: .timeout, message: "the broker did not answer in time", isRetryable: true)
    }

    /// What an `err` or `bye` line among answers says.
    static func error(_ line: UnsafeRawBufferPointer) -> ColaError {
        var decoder = ClientDecoder()
        decoder.feed(ByteBuffer(bytes: line))
        switch try? decoder.next() {
        case .error(let refusal): return error(refusal)
        case .bye(let code, let sentence):
            return ColaError(code: ColaError.Code(rawValue: code), message: sentence, isRetryable: false)
        default:
            let text = String(decoding: line.prefix(80), as: UTF8.self)
            return ColaError(
                code: .protocolViolation,
                message: "the broker said what was not expected here: \(text.debugDescription)",
                isRetryable: false)
        }
    }

    private static func error(_ refusal: ServerLine.Refusal) -> ColaError {
        ColaError(
            code: ColaError.Code(rawValue: refusal.code), message: refusal.sentence, isRetryable: refusal.isRetryable)
    }
}
