/// What a line begins with, but for `pub`, which has a path of its own.
///
/// Source: `protocol/native.md` section 3
enum Verb: String {
    case hello, ping, beat, quit
    case declare, delete, bind, unbind, purge
    case pubs
    case consume, credit, cancel, ack, nack, reject, get, peek, commit
    case list, stat

    var isAllowedBeforeHello: Bool {
        switch self {
        case .hello, .ping, .beat, .quit: true
        default: false
        }
    }
}
