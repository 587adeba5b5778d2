/// The copy that is being made, and the thread of the last one, which is still to be joined.
struct BackupSlot: Sendable {
    var job: BackupJob?
    var thread: PermanentThread?
}
