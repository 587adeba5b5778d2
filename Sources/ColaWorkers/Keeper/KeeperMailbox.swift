internal import CSpawn
internal import DequeModule
internal import Glibc
internal import Synchronization

/// Requests on their way from any thread to the one that speaks with the keeper.
///
/// A socket wakes that one, because it waits for the keeper's at the same time.
final class KeeperMailbox: Sendable {
    struct Letter: Sendable {
        var request: KeeperRequest
        var descriptors: [Int32]

        func closeDescriptors() {
            for descriptor in descriptors { Glibc.close(descriptor) }
        }
    }

    private struct Content {
        var letters: Deque<Letter> = []
        var isClosed = false
    }

    private let content = Mutex(Content())
    /// Becomes readable when something is there.
    let wakeUp: Int32
    private let bell: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        let code = cola_link_pair(&ends)
        precondition(code == 0, "no sockets for the keeper: \(systemReason(errno))")
        (wakeUp, bell) = (ends[0], ends[1])
    }

    deinit {
        Glibc.close(wakeUp)
        Glibc.close(bell)
        content.withLock { for letter in $0.letters { letter.closeDescriptors() } }
    }

    func put(_ letter: Letter) {
        let isTaken = content.withLock { content in
            if !content.isClosed { content.letters.append(letter) }
            return !content.isClosed
        }
        if isTaken { ring() } else { letter.closeDescriptors() }
    }

    func close() {
        content.withLock { $0.isClosed = true }
        ring()
    }

    /// All that is there, and whether it is the last.
    func take() -> (letters: Deque<Letter>, isClosed: Bool) {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(wakeUp, &bytes, bytes.count) > 0 {}
        return content.withLock { content in
            defer { content.letters = [] }
            return (content.letters, content.isClosed)
        }
    }

    /// A full socket has woken it already.
    private func ring() {
        var byte: UInt8 = 1
        _ = write(bell, &byte, 1)
    }
}
