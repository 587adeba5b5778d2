/// What gathers for the next batch besides the changes of logs.
struct GatheringChanges {
    var definitions: [DefinitionChange] = []
    var groupOffsets: [GroupOffset] = []
    var groupsRemoved: [GroupOffset] = []
    var scheduled: [ScheduledMessage] = []
    var unscheduled: [ScheduleKey] = []
    var seen: [DedupEntry] = []
    var forgotten: [DedupEntry] = []
    var transactions: [ProducerTransaction] = []
    var transactionsForgotten: [String] = []
    var isNextLogChanged = false
    var isNextScheduleChanged = false

    /// Whether nothing of it has to be stored. A new id for logs alone is not worth a batch: it goes with the first
    /// thing that is.
    var isEmpty: Bool {
        definitions.isEmpty && groupOffsets.isEmpty && groupsRemoved.isEmpty && scheduled.isEmpty
            && unscheduled.isEmpty && seen.isEmpty && forgotten.isEmpty && transactions.isEmpty
            && transactionsForgotten.isEmpty
    }
}
