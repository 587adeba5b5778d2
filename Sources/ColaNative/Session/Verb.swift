/// What a line begins with, but for `pub`, which has a path of its own.
///
/// Source: `protocol/native.md` section 3
enum Verb: String {
    case hello, ping, beat, quit
    case declare, delete, alter, policy, unpolicy, user, permit, unpermit, bind, unbind, purge, redrive
    case pubs
    case consume, credit, cancel, seek, ack, nack, reject, fail, get, peek, commit
    case list, describe, why, stat, backup, worker, logs, reload, child

    /// How many words follow it at least; only what comes behind them is an option, whatever a word looks like.
    ///
    /// - Parameter isOfGroup: whether the first of them is `group`, which is named by two words.
    func wordCount(isOfGroup: Bool) -> Int {
        switch self {
        case .ping, .beat, .quit, .stat, .logs, .reload: 0
        case .hello, .alter, .policy, .unpolicy, .user, .permit, .unpermit, .purge, .redrive, .consume, .cancel, .ack,
            .nack, .reject, .fail, .get,
            .peek, .list, .why, .backup, .child:
            1
        case .declare, .bind, .unbind, .pubs, .credit, .seek, .worker: 2
        case .delete, .describe: isOfGroup ? 3 : 2
        case .commit: 3
        }
    }

    var isAllowedBeforeHello: Bool {
        switch self {
        case .hello, .ping, .beat, .quit: true
        default: false
        }
    }
}
