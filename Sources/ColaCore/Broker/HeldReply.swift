/// An answer that must not be sent yet.
struct HeldReply {
    var request: RequestID
    var reply: Reply
    /// When this batch is durable it can be sent.
    var batch: BatchNumber
}
