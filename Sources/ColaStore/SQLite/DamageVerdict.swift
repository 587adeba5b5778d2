/// What becomes of damage that is met: it is refused, or told and left out.
struct DamageVerdict {
    let path: String
    /// Nil: it is refused.
    var tell: ((String) -> Void)?

    func meet(_ reason: String) throws(StoreError) {
        guard let tell else { throw .damaged(path: path, reason: reason) }
        tell(reason)
    }
}
