import ColaCore
import ColaNative
import ColaTesting
import NIOCore

/// A session with a broker behind it, whose disk is done as soon as it is asked.
struct SessionServer {
    var bench: SessionBench
    private let broker = TestBroker()
    private let effects: Effects

    /// What the broker said and the session has not been told.
    private final class Effects {
        var waiting: [Effect] = []
    }

    init(_ peer: Peer = SessionBench.local, bodyBytesMax: Int = 16 * 1024 * 1024) {
        bench = SessionBench(peer, bodyBytesMax: bodyBytesMax)
        bench.entersAtOnce = false
        effects = Effects()
        broker.effectListener = { [effects] in effects.waiting.append($0) }
        pump()
    }

    mutating func feed(_ bytes: ArraySlice<UInt8>) {
        bench.feed(bytes)
        pump()
    }

    mutating func feed(_ text: String) { feed(Array(text.utf8)[...]) }

    mutating func end() {
        bench.session.receiveEnd()
        pump()
    }

    mutating func output() -> String { bench.output() }

    private mutating func pump() {
        let commands = bench.session.commands
        bench.session.commands = []
        for command in commands { broker.apply(command) }
        broker.run()
        let waiting = effects.waiting
        effects.waiting = []
        for effect in waiting { bench.session.handle(effect) }
    }
}
