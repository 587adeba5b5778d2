internal import CSpawn
internal import DequeModule
internal import Glibc
internal import OrderedCollections

/// The process between the broker and its workers: it starts them when asked, reports their ends, passes signals on,
/// and when the broker is gone, however it went, it kills everything below itself and ends.
///
/// It decides nothing else, so that there is little in it that can go wrong. It has one thread: a child's signal for
/// the death of its parent comes when the *thread* ends that started it.
///
/// All below it stays below it, because it adopts orphans. A worker's process is collected only when nothing it has
/// started is left; until then its number, session and process group are nobody else's, and a signal meets no stranger.
package final class Keeper {
    struct Instance {
        /// Number of the process, its session and its process group.
        let process: Int32
        /// The process has ended, and is kept until all below it has.
        var hasExited = false
        var survivorsKilled = 0
    }

    let link: KeeperLink
    let childSignals: Int32
    let null: Int32
    /// What `COLA_KEEPER` says in the environment of all below, so that those of another keeper are told apart.
    let mark: String
    let surroundings: ProcessSpec.Surroundings
    var instances: OrderedDictionary<SpawnID, Instance> = [:]
    var instanceOfProcess: [Int32: SpawnID] = [:]
    /// Orphans that were adopted, and the living instance whose they are.
    var adopted: [Int32: SpawnID] = [:]
    /// Sessions that were seen below an instance, while its chain of parents was there to be seen.
    var sessions: [Int32: SpawnID] = [:]
    /// Orphans that were killed and are not collected yet.
    var killed: Set<Int32> = []
    /// Some that shall not live are alive.
    var hasStrays = false
    private var outgoing: Deque<[UInt8]> = []

    /// Events that may wait for the broker before requests have to wait, too.
    private static let outgoingMax = 1024
    /// Requests that are read at most before children are looked after.
    private static let requestsPerTurn = 16
    /// Ends that are noted at most before the link is looked after, and looks at who is left then.
    static let endsPerTurn = 1000
    static let looksPerTurn = 10

    /// - Parameter link: number of the descriptor of the link. All above it are closed.
    /// - Throws: a sentence, if this process was not started as a keeper.
    package init(link: Int32) throws(NotAKeeper) {
        guard cola_link_is_socket(link) != 0 else {
            throw NotAKeeper(
                description: "the keeper is started by `cola serve` for its workers; it is of no use by hand")
        }
        cola_process_close_from(link + 1)
        cola_process_set_name("cola: keeper")
        cola_process_ignore_signals()
        self.link = KeeperLink(descriptor: link)
        childSignals = cola_process_watch_children()
        null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard childSignals >= 0, null >= 0, cola_process_adopt_orphans() == 0 else {
            throw NotAKeeper(description: "the keeper of the workers cannot work: \(systemReason(errno))")
        }
        let itself = getpid()
        mark = "\(itself).\(ProcessTable.entry(itself)?.startTime ?? 0)"
        // Before the broker, which all of them need.
        let score = min(1000, max(0, cola_process_out_of_memory_score()) + 300)
        surroundings = ProcessSpec.Surroundings(
            outOfMemoryScore: score, openFiles: Self.raiseOpenFiles(), nice: Self.raisePriority())
    }

    package struct NotAKeeper: Error, CustomStringConvertible {
        package let description: String
    }

    /// Works until the link ends; then nothing is left below this process.
    ///
    /// - Returns: nil if the broker went or let go, else a sentence about what was wrong with the link.
    package func run() -> String? {
        tell(.ready(residentBytes: cola_process_resident_bytes()))
        var flaw: String?
        do {
            while try turn() {}
        } catch {
            flaw =
                "the keeper of the workers was asked something it does not understand (\(error)); all workers are ended"
        }
        killEverything()
        return flaw
    }

    /// - Returns: false when the link has ended.
    private func turn() throws(Packet.Malformed) -> Bool {
        flush()
        var linkEvents = Int16(outgoing.count < Self.outgoingMax ? POLLIN : 0)
        if !outgoing.isEmpty { linkEvents |= Int16(POLLOUT) }
        var polled = [
            pollfd(fd: link.descriptor, events: linkEvents, revents: 0),
            pollfd(fd: childSignals, events: Int16(POLLIN), revents: 0),
        ]
        // What is being killed takes a moment to die, and those it leaves behind are told by nobody.
        _ = poll(&polled, 2, hasStrays ? 5 : -1)
        // What still waits in the link was asked by somebody who is gone.
        if polled[0].revents & Int16(POLLHUP | POLLERR | POLLNVAL) != 0 { return false }
        if polled[1].revents != 0 { cola_process_forget_signals(childSignals) }
        collectEnded()
        sweep()
        if polled[0].revents & Int16(POLLIN) != 0 { return try takeRequests() }
        return true
    }

    private func takeRequests() throws(Packet.Malformed) -> Bool {
        for _ in 0..<Self.requestsPerTurn {
            switch try link.receive() {
            case .nothing: return true
            case .ended: return false
            case .packet(let received):
                defer { for descriptor in received.descriptors { close(descriptor) } }
                switch try KeeperRequest(packet: received.bytes) {
                case .spawn(let instance, let spec): spawn(instance, spec, received)
                case .signal(let instance, let number, let scope): signal(instance, number, scope)
                case .renice(let instance, let value): renice(instance, value)
                }
            }
        }
        return true
    }

    private func spawn(_ instance: SpawnID, _ spec: ProcessSpec, _ received: KeeperLink.Received) {
        do throws(StartFailure) {
            if instances[instance] != nil {
                throw StartFailure(
                    step: .request, error: EEXIST,
                    description: "cannot start '\(spec.executable)': instance \(instance) is there already")
            }
            if received.hasLostDescriptors { throw StartFailure(starting: spec, step: .descriptors, error: EMFILE) }
            var descriptors = received.descriptors
            while descriptors.count < 3 { descriptors.append(null) }
            var surroundings = surroundings
            surroundings.environment = [("COLA_WORKER_PROCESS", "\(instance)"), ("COLA_KEEPER", mark)]
            let process = try spec.start(descriptors: descriptors, surroundings)
            instances[instance] = Instance(process: process)
            instanceOfProcess[process] = instance
            // It may have ended by now, but it is shown until it is collected.
            let startTime = ProcessTable.entry(process)?.startTime ?? 0
            tell(.started(instance, process: process, startTime: startTime))
        } catch {
            tell(.failed(instance, error))
        }
    }

    private func signal(_ instance: SpawnID, _ number: Int32, _ scope: SignalScope) {
        guard let found = instances[instance], !found.hasExited else { return }
        // A child that is not collected: the numbers are its own.
        switch scope {
        case .process: _ = kill(found.process, number)
        case .group: _ = kill(-found.process, number)
        case .tree:
            let others = tree(of: instance, found.process)
            _ = kill(found.process, number)
            for entry in others { entry.signal(number) }
        }
    }

    private func renice(_ instance: SpawnID, _ value: Int32) {
        guard let found = instances[instance], !found.hasExited else { return tell(.reniced(instance, error: ESRCH)) }
        // A child that is not collected: the number of its group is its own.
        let group = UInt32(bitPattern: found.process)
        let code = setpriority(Int32(PRIO_PGRP.rawValue), group, value)
        tell(.reniced(instance, error: code == 0 ? 0 : errno))
    }

    /// Takes note of the children that have ended.
    private func collectEnded() {
        for _ in 0..<Self.endsPerTurn {
            guard case .ended(let child) = EndedChild.find(keep: true) else { return }
            guard let instance = instanceOfProcess[child.process] else {
                collect(orphan: child.process)
                continue
            }
            if instances[instance]?.hasExited == true {
                // It is kept, and stands before all others that have ended.
                return collectEndedOneByOne()
            }
            exited(instance, child)
        }
        // There may be more, and their signals are taken.
        hasStrays = true
    }

    private func collectEndedOneByOne() {
        for process in Self.children() {
            guard case .ended(let child) = EndedChild.find(process, keep: true) else { continue }
            if let instance = instanceOfProcess[process] {
                if instances[instance]?.hasExited == false { exited(instance, child) }
            } else {
                collect(orphan: process)
            }
        }
    }

    func collect(orphan process: Int32) {
        _ = EndedChild.find(process, keep: false)
        adopted[process] = nil
        killed.remove(process)
    }

    private func exited(_ instance: SpawnID, _ child: EndedChild) {
        instances[instance]?.hasExited = true
        tell(.exited(instance, child.status, child.usage))
        // Now, while the parents of others that are alive can be seen.
        if instances.values.contains(where: { !$0.hasExited }), !strays().isEmpty {
            learnSessions(in: ProcessTable.read())
        }
        sweep()
    }

    func tell(_ event: KeeperEvent) {
        outgoing.append(event.packet)
    }

    private func flush() {
        while let packet = outgoing.first {
            switch link.send(packet) {
            case .sent, .refused: outgoing.removeFirst()
            // The end of the link is met where it is read.
            case .full, .tooManyDescriptors, .ended: return
            }
        }
    }

    /// The children of this process, those that have ended and are not collected, too.
    static func children() -> [Int32] {
        var room = 256
        while true {
            let found = [pid_t](unsafeUninitializedCapacity: room) { buffer, filled in
                filled = max(0, min(cola_process_children(buffer.baseAddress, buffer.count), buffer.count))
            }
            if found.count < room { return found }
            room *= 2
        }
    }

    /// Goes before the workers, if it may: it must get at a program that takes all of the processor with its children.
    ///
    /// - Returns: what has to be added for those that it starts, so that they begin where the broker did. The thread
    ///   that started the keeper may have been given another place by its library.
    private static func raisePriority() -> Int32 {
        let ofProcess = Int32(PRIO_PROCESS.rawValue)
        let broker = getpriority(ofProcess, UInt32(getppid()))
        _ = setpriority(ofProcess, 0, max(-20, broker - 10))
        return max(0, broker - getpriority(ofProcess, 0))
    }

    /// As many open files as the system allows to this process; those that it starts get what it had.
    private static func raiseOpenFiles() -> (soft: UInt64, hard: UInt64)? {
        var limit = rlimit()
        guard getrlimit(Resource.openFiles, &limit) == 0 else { return nil }
        let before = (soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max))
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(Resource.openFiles, &limit)
        return before
    }
}
