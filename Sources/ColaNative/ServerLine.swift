package import NIOCore

/// One thing a server says: an answer, a delivery, or one of the few lines it sends on its own.
///
/// Options that this version does not know are kept in answers and passed over in deliveries: a newer server may say
/// more.
///
/// Source: `protocol/native.md` section 3
package enum ServerLine: Equatable, Sendable {
    case ok(Answer)
    case error(Refusal)
    case message(Arrival)
    case assigned(Assigned)
    case bye(code: String, sentence: String)
    case blocked(sentence: String)
    case unblocked
    case beat

    /// The `ok` of a request, or of several with consecutive tags.
    package struct Answer: Equatable, Sendable {
        package var tags: ClosedRange<Int64>?
        package var options: [Option] = []
        package var body: ByteBuffer?

        package init(tags: ClosedRange<Int64>? = nil, options: [Option] = [], body: ByteBuffer? = nil) {
            self.tags = tags
            self.options = options
            self.body = body
        }

        /// The text of the first option of that name, or nil.
        package func text(_ name: String) -> String? {
            options.first { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
        }

        /// The first option of that name as a number; nil if there is none or it is no number.
        package func number(_ name: String) -> Int64? {
            options.first { $0.name == name }.flatMap { $0.value.withUnsafeBytes(Decimal.parse) }
        }
    }

    /// One `name=value`, its escapes resolved. A header's name stands without its `h.` in ``Arrival/headers``.
    package struct Option: Equatable, Sendable {
        package var name: String
        package var value: [UInt8]

        package init(name: String, value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// An `err`.
    package struct Refusal: Equatable, Sendable {
        package var tag: Int64?
        /// Set where it is not the answer to a request but ends or concerns a consumer.
        package var consumer: Int64?
        package var code: String
        package var isRetryable: Bool
        package var sentence: String

        package init(tag: Int64? = nil, consumer: Int64? = nil, code: String, isRetryable: Bool, sentence: String) {
            self.tag = tag
            self.consumer = consumer
            self.code = code
            self.isRetryable = isRetryable
            self.sentence = sentence
        }
    }

    /// A `msg` with its body. Those of a `peek` have consumer and delivery 0.
    package struct Arrival: Equatable, Sendable {
        package var consumer: Int64
        package var delivery: Int64
        package var offset: Int64
        /// `p=`: of a topic, which of its partitions.
        package var partition: Int64 = 0
        /// `r=`: how many deliveries of it ended without an acknowledgement; nil if it was certainly never handed out.
        package var failedDeliveries: Int64?
        /// Milliseconds since 1970, UTC.
        package var timestamp: Int64?
        package var key: [UInt8]?
        /// `null=yes`: there is no value, and the body is of no bytes.
        package var isNull = false
        package var headers: [Option] = []
        package var body = ByteBuffer()

        package init(consumer: Int64, delivery: Int64, offset: Int64) {
            self.consumer = consumer
            self.delivery = delivery
            self.offset = offset
        }
    }

    /// An `assigned`: what a member of a group reads from now on, and no more than that.
    package struct Assigned: Equatable, Sendable {
        package struct Position: Equatable, Sendable {
            package var partition: Int64
            package var next: Int64

            package init(partition: Int64, next: Int64) {
                self.partition = partition
                self.next = next
            }
        }

        package var consumer: Int64
        package var generation: Int64
        package var partitions: [Position]

        package init(consumer: Int64, generation: Int64, partitions: [Position]) {
            self.consumer = consumer
            self.generation = generation
            self.partitions = partitions
        }
    }
}
