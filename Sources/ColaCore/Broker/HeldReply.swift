/// An answer that must not be sent yet.
struct HeldReply {
    var request: RequestID
    var reply: Reply
    /// When this batch is durable it can be sent.
    var batch: BatchNumber
    /// Of a publish: how many of its messages are neither settled nor durable. When there is none left, the answer has
    /// to wait for `needs` only.
    var unsettled = 0
    var needs: BatchNumber
}
