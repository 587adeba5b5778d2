// One copy of everything at a time, for the channel that asked for it.
extension Broker {
    /// Who waits for the copy that is being made.
    struct Backup {
        var channel: Channel
        var request: RequestID
        var order: BackupOrder
        /// Nil until it is known.
        var progress: BackupProgress?
    }

    func backUp(_ order: BackupOrder, _ id: RequestID, for channel: Channel) {
        if let backup { return refuse(channel, id, .backup(.busy(path: backup.order.path))) }
        backup = Backup(channel: channel, request: id, order: order)
        channel.stall = .backup
        effects.append(.backUp(order))
    }

    /// For those who look, until the copy is there.
    func backingUp(_ progress: BackupProgress) { backup?.progress = progress }

    var backupRow: Description.Value {
        guard let backup else { return .none }
        var row = Description()
        row.add("pages", backup.progress?.pages ?? 0)
        row.add("total-pages", backup.progress?.totalPages)
        return .fields(row)
    }

    /// The copy is there, with so many bytes, or will never be.
    func backedUp(_ result: Result<Int, BackupFailure>, at now: Now) {
        guard let done = backup else { return }
        backup = nil
        guard channels[done.channel.id] === done.channel else { return }
        done.channel.stall = nil
        switch result {
        case .success(let bytes): respond(done.channel, done.request, .backedUp(bytes: bytes))
        case .failure(let failure): refuse(done.channel, done.request, .backup(failure))
        }
        resume(done.channel, at: now)
    }

    /// Nobody is left to hear of it. The next one may begin when the store has let go of it.
    func abandonBackup(of channel: Channel) {
        if backup?.channel === channel { effects.append(.cancelBackup) }
    }
}
