internal import ColaCore

// What goes wrong: the disk, the process, the network, the clock.
extension World {
    // MARK: The disk

    /// Sees to it that what the server gave to the disk comes to an end some time.
    func driveDisk() {
        guard let process else { return }
        if process.store.batchesWaiting > 0, !process.isCommitting {
            process.isCommitting = true
            let isHanging = isOne(in: 40) && phase == .open
            after(isHanging ? draw(nanoseconds: 800_000_000) : draw(nanoseconds: plan.commitMost)) { [self] in
                if self.process === process { commit(process) }
            }
        }
        if process.store.readsWaiting > 0, !process.isReading {
            process.isReading = true
            after(draw(nanoseconds: plan.readMost)) { [self] in
                guard self.process === process else { return }
                process.isReading = false
                let fails = phase == .open && draw(1...1_000) <= plan.readFaults
                if fails { tally.failedReads += 1 }
                note(fails ? "a read fails" : "a read ends")
                process.store.readNext(fails: fails)
            }
        }
    }

    private func commit(_ process: SimulatedProcess) {
        process.isCommitting = false
        guard process.store.batchesWaiting > 0 else { return }
        if phase == .open, draw(1...10_000) <= plan.commitFaults { return failCommit(process) }
        tally.commits += 1
        note("a commit ends")
        process.store.commitNext()
    }

    private func failCommit(_ process: SimulatedProcess) {
        switch draw(0...4) {
        case 0...1:
            tally.fullDisks += 1
            note("the disk is full")
            process.isCommitting = true
            process.isOutOfRoom = true
            process.store.runOutOfRoom()
            after(draw(nanoseconds: 1_500_000_000)) { [self] in
                if self.process === process, process.isOutOfRoom { findRoom(process) }
            }
        case 2:
            // The sync failed; what is on the disk nobody knows.
            tally.failedCommits += 1
            let isDurable = isOne(in: 2)
            note("a commit fails, and is \(isDurable ? "there" : "gone")")
            if isDurable { process.store.commitNext(isTold: false) }
            process.store.fail()
            kill("the store failed")
        default: kill("during a commit")
        }
    }

    func findRoom(_ process: SimulatedProcess) {
        note("the disk has room")
        process.isOutOfRoom = false
        process.isCommitting = false
        process.store.findRoom()
        process.store.commitNext()
    }

    // MARK: The process

    /// The process dies: batches that were on their way are on the disk up to one of them.
    func kill(_ reason: String) {
        guard let process else { return }
        tally.kills += 1
        let durable = draw(0...process.store.batchesWaiting)
        note("server \(process.life) dies: \(reason); \(durable) of \(process.store.batchesWaiting) batches are there")
        for _ in 0..<durable { process.store.commitNext(isTold: false) }
        process.store.crash()
        buryServer(keepsBytes: isOne(in: 2))
        ledger.serverDied(process.life)
    }

    /// SIGTERM.
    func stopServer() {
        guard let process, !process.isOutOfRoom else { return }
        tally.stops += 1
        note("server \(process.life) stops")
        do {
            try process.stop()
        } catch {
            complain("the server does not stop: \(error)")
        }
        buryServer(keepsBytes: true)
    }

    private func buryServer(keepsBytes: Bool) {
        guard let process else { return }
        self.process = nil
        for link in process.links { link.serverDied(keepsBytes: keepsBytes) }
        process.end()
        after(draw(nanoseconds: 300_000_000)) { [self] in
            if self.process == nil { startServer() }
        }
    }

    // MARK: Faults that come by themselves

    func scheduleFault() {
        after(draw(nanoseconds: plan.faultMost)) { [self] in
            guard phase == .open else { return }
            fault()
            scheduleFault()
        }
    }

    private func fault() {
        switch draw(0...9) {
        case 0...3:
            guard let link = pick(process?.links ?? []) else { return }
            tally.resets += 1
            link.reset("it broke")
        case 4...5:
            guard let link = pick(process?.links ?? []) else { return }
            tally.silences += 1
            link.goSilent()
        case 6...7 where plan.clockJumps:
            tally.clockJumps += 1
            let hour: Int64 = 3_600_000
            let jumps: [Int64] = [hour, -hour, 87_660 * hour, -87_660 * hour, 61_000, -1]
            let jump = pick(jumps) ?? 0
            note("the clock jumps by \(jump) ms")
            clock.wallOffset += jump
            ledger.hasClockJumped = true
        case 8: kill("it was killed")
        default: stopServer()
        }
    }
}
