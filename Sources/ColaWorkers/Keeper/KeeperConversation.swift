internal import CSpawn
internal import DequeModule
internal import Glibc
internal import OrderedCollections

/// What the broker's thread for the keeper does: keeps one keeper, sends it what the mailbox brings, and knows of every
/// instance how far it is, so that each has an end even if the keeper has none to tell.
struct KeeperConversation {
    /// A keeper that was started, and what it has of ours.
    private struct Partner {
        let link: KeeperLink
        let process: Int32
        let startTime: UInt64
    }

    private enum Stage {
        /// `spawn` is on its way, or with the keeper.
        case asked
        case started
        case exited
    }

    private struct Outgoing {
        var packet: [UInt8]
        var letter: KeeperMailbox.Letter
    }

    private let executable: String
    private let mailbox: KeeperMailbox
    private let onNotice: @Sendable (KeeperProcess.Notice) -> Void
    private var partner: Partner?
    private var outgoing: Deque<Outgoing> = []
    private var stages: OrderedDictionary<SpawnID, Stage> = [:]
    /// Sending must be tried again after a moment, because nothing says when there is room.
    private var mustRetry = false

    /// How long a keeper that was let go has to end all.
    private static let farewellMilliseconds = 2_000
    /// How long what was killed is waited for. Only what hangs in the system itself takes longer, and nothing helps.
    private static let orphansMilliseconds = 5_000

    init(executable: String, mailbox: KeeperMailbox, onNotice: @escaping @Sendable (KeeperProcess.Notice) -> Void) {
        self.executable = executable
        self.mailbox = mailbox
        self.onNotice = onNotice
    }

    mutating func run() {
        while true {
            let (letters, isClosed) = mailbox.take()
            for letter in letters { take(letter) }
            if isClosed { break }
            flush()
            wait()
        }
        farewell()
    }

    private mutating func wait() {
        var polled = [pollfd(fd: mailbox.wakeUp, events: Int16(POLLIN), revents: 0)]
        if let partner {
            let events = outgoing.isEmpty || mustRetry ? POLLIN : POLLIN | POLLOUT
            polled.append(pollfd(fd: partner.link.descriptor, events: Int16(events), revents: 0))
        }
        _ = poll(&polled, nfds_t(polled.count), mustRetry ? 10 : -1)
        if polled.count > 1, polled[1].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { listen() }
    }

    /// Takes all that the keeper has said.
    private mutating func listen() {
        while let partner {
            do {
                switch try partner.link.receive() {
                case .nothing: return
                case .ended: lose("the keeper of the workers has died")
                case .packet(let received):
                    for descriptor in received.descriptors { close(descriptor) }
                    heard(try KeeperEvent(packet: received.bytes))
                }
            } catch {
                lose("the keeper of the workers said something that is not understood (\(error))")
            }
        }
    }

    private mutating func heard(_ event: KeeperEvent) {
        switch event {
        case .ready, .reniced: break
        case .started(let instance, _, _): stages[instance] = .started
        case .exited(let instance, _, _): stages[instance] = .exited
        case .failed(let instance, let failure):
            // It is refused because it is there: that one goes on.
            if failure.error != EEXIST || failure.step != .request { stages[instance] = nil }
        case .swept(let instance, _): stages[instance] = nil
        }
        onNotice(.event(event))
    }

    private mutating func take(_ letter: KeeperMailbox.Letter) {
        let packet = letter.request.packet
        switch letter.request {
        case .signal(let instance, _, _):
            guard stages[instance] != nil else { return letter.closeDescriptors() }
        case .renice(let instance, _):
            guard stages[instance] != nil else { return onNotice(.event(.reniced(instance, error: ESRCH))) }
        case .spawn(let instance, let spec):
            if let failure = prepare(instance, spec, packet, letter.descriptors.count) {
                letter.closeDescriptors()
                return onNotice(.event(.failed(instance, failure)))
            }
            stages[instance] = .asked
        }
        outgoing.append(Outgoing(packet: packet, letter: letter))
    }

    /// - Returns: why the request must not be sent.
    private mutating func prepare(
        _ instance: SpawnID, _ spec: ProcessSpec, _ packet: [UInt8], _ descriptorCount: Int
    ) -> StartFailure? {
        func failure(_ step: StartFailure.Step, _ error: Int32, _ reason: String) -> StartFailure {
            StartFailure(step: step, error: error, description: "cannot start '\(spec.executable)': \(reason)")
        }
        if let flaw = spec.flaw { return failure(.request, EINVAL, flaw) }
        if stages[instance] != nil { return failure(.request, EEXIST, "instance \(instance) is there already") }
        if packet.count > Packet.bytesMax {
            return failure(
                .request, E2BIG,
                "its arguments and environment take \(packet.count) bytes, and \(Packet.bytesMax) is the most; "
                    + "put what is large into a file or into the message")
        }
        if descriptorCount > Int(COLA_LINK_DESCRIPTORS_MAX) {
            return failure(.request, EINVAL, "\(descriptorCount) descriptors, and 16 is the most")
        }
        if partner == nil {
            do {
                partner = try startKeeper()
            } catch {
                return failure(.keeper, error.error, "no keeper of the workers: \(error)")
            }
        }
        return nil
    }

    private mutating func flush() {
        mustRetry = false
        while let partner, let first = outgoing.first {
            switch partner.link.send(first.packet, descriptors: first.letter.descriptors) {
            case .sent:
                first.letter.closeDescriptors()
                outgoing.removeFirst()
            case .full: return
            case .tooManyDescriptors:
                mustRetry = true
                return
            case .ended:
                // What it said before stands in the link.
                listen()
                lose("the keeper of the workers has died")
            case .refused(let error):
                first.letter.closeDescriptors()
                outgoing.removeFirst()
                guard case .spawn(let instance, let spec) = first.letter.request else { continue }
                stages[instance] = nil
                onNotice(.event(.failed(instance, StartFailure(starting: spec, step: .descriptors, error: error))))
            }
        }
    }

    private mutating func startKeeper() throws(SystemFailure) -> Partner {
        // What the workers leave behind falls to this process if the keeper is gone.
        _ = cola_process_adopt_orphans()
        let (ours, theirs) = try KeeperLink.pair()
        defer { theirs.close() }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { if null >= 0 { close(null) } }
        let error = fcntl(2, F_GETFD) >= 0 ? 2 : null
        // `ps` shows it as "cola: keeper".
        let spec = ProcessSpec(
            executable: executable, arguments: ["cola:", "keeper"], environment: Self.keeperEnvironment)
        do throws(StartFailure) {
            let surroundings = ProcessSpec.Surroundings(diesWithParent: false)
            let process = try spec.start(descriptors: [null, null, error, theirs.descriptor], surroundings)
            return Partner(
                link: ours, process: process, startTime: ProcessTable.entry(process)?.startTime ?? 0)
        } catch {
            ours.close()
            throw SystemFailure(error: error.error)
        }
    }

    /// What the executable needs to be loaded, and no secrets. A backtrace would outlive the keeper that crashed.
    private static var keeperEnvironment: [String] {
        let passedOn = ["LD_LIBRARY_PATH", "LD_PRELOAD", "ASAN_OPTIONS", "TSAN_OPTIONS"].compactMap { name in
            getenv(name).map { name + "=" + String(cString: $0) }
        }
        return passedOn + ["SWIFT_BACKTRACE=enable=no"]
    }

    /// The keeper is of no use any more: it and all that it has started come to an end here.
    private mutating func lose(_ reason: String) {
        guard let partner else { return }
        end(partner, milliseconds: 0)
        onNotice(.lost(reason: reason))
        for letter in outgoing { letter.letter.closeDescriptors() }
        outgoing = []
        reportEnds()
    }

    /// The broker stops: the keeper is let go, and kills all by itself.
    private mutating func farewell() {
        for letter in outgoing { letter.letter.closeDescriptors() }
        outgoing = []
        if let partner { end(partner, milliseconds: Self.farewellMilliseconds) }
        reportEnds()
    }

    /// Waits for the keeper's end that long, then kills it. Whatever is left below was its own, and is killed.
    private mutating func end(_ partner: Partner, milliseconds: Int) {
        partner.link.close()
        self.partner = nil
        var waited = 0
        while waited < milliseconds, case .noneYet = EndedChild.find(partner.process, keep: true) {
            _ = poll(nil, 0, 2)
            waited += 2
        }
        // Not collected yet, so the number is its own.
        _ = kill(partner.process, SIGKILL)
        while case .noneYet = EndedChild.find(partner.process, keep: true) { _ = poll(nil, 0, 1) }
        killOrphans(of: partner)
        _ = EndedChild.find(partner.process, keep: false)
    }

    /// Kills what fell to this process when the keeper died, until nothing is left.
    ///
    /// Every worker has a session of its own, which it can leave for a new one only, never for the broker's. So a child
    /// that is in another session than the broker, and younger than the keeper, is what a worker has left behind.
    private func killOrphans(of partner: Partner) {
        let session = getsid(0)
        for _ in 0..<Self.orphansMilliseconds / 2 {
            let orphans = ProcessTable.read().children(of: getpid()).filter {
                $0.process != partner.process && $0.session != session && $0.startTime >= partner.startTime
            }
            if orphans.isEmpty { return }
            // Children that are not collected: the numbers are their own.
            for orphan in orphans { _ = kill(orphan.process, SIGKILL) }
            ProcessTable.killGroups(of: orphans.map(\.process))
            for orphan in orphans { _ = EndedChild.find(orphan.process, keep: false) }
            _ = poll(nil, 0, 2)
        }
    }

    /// Nothing of any instance is left, and nobody else will say so.
    private mutating func reportEnds() {
        for (instance, stage) in stages {
            switch stage {
            case .asked:
                let sentence = "the keeper of the workers ended before it had started; try again"
                onNotice(.event(.failed(instance, StartFailure(step: .keeper, error: EPIPE, description: sentence))))
            case .started:
                onNotice(.event(.exited(instance, .signal(SIGKILL, isCoreDumped: false), ResourceUsage())))
                onNotice(.event(.swept(instance, survivorsKilled: 0)))
            case .exited: onNotice(.event(.swept(instance, survivorsKilled: 0)))
            }
        }
        stages = [:]
    }
}
