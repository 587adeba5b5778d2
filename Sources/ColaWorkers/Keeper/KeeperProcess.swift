internal import DequeModule
internal import Glibc
internal import Synchronization

/// The broker's side of the keeper: starts it with the first process that is asked for, sends it requests, and brings
/// its events.
///
/// If the keeper dies, its workers die with it; what they have started falls to this process, which kills it. All that
/// were alive are reported as killed, and the next request starts a keeper anew. So of every instance that was asked
/// for there is always an end.
package final class KeeperProcess: Sendable {
    /// What happens, on the thread of this object and one after the other.
    package enum Notice: Equatable, Sendable {
        case event(KeeperEvent)
        /// The keeper has ended without being asked to, or does not understand; what becomes of its instances follows.
        case lost(reason: String)
    }

    private let mailbox: KeeperMailbox
    private let thread: Mutex<KeeperThread?>

    /// - Parameters:
    ///   - executable: path of a `cola`; by default the one that runs.
    ///   - onNotice: is called on a thread of its own, and should not block it.
    package init(executable: String = "/proc/self/exe", onNotice: @escaping @Sendable (Notice) -> Void) {
        let mailbox = KeeperMailbox()
        self.mailbox = mailbox
        thread = Mutex(
            KeeperThread {
                var conversation = KeeperConversation(executable: executable, mailbox: mailbox, onNotice: onNotice)
                conversation.run()
            })
    }

    /// Sends a request, at some time. Of a `spawn` comes `started` or `failed`, of a `renice` comes `reniced`; of a
    /// signal nothing. As many wait as are given; whoever asks for no more instances than it may have bounds them.
    ///
    /// - Parameter descriptors: at most 16, which belong to this object from now on, and are closed when they were
    ///   sent.
    package func send(_ request: KeeperRequest, descriptors: [Int32] = []) {
        mailbox.put(KeeperMailbox.Letter(request: request, descriptors: descriptors))
    }

    /// Lets go of the keeper, which kills all that runs; returns when nothing is left, and all notices were given. Not
    /// from a notice. Twice does nothing more.
    package func stop() {
        mailbox.close()
        let last = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        last?.join()
    }
}
