/// What a start has done, beyond reading, that a person should know of.
package enum StoreNotice: Equatable, Sendable {
    /// The file was of an older schema. All tables but that of the messages were copied before, if there was something.
    case migrated(path: String, from: Int, to: Int, copy: String)
    /// The file is damaged, and was told to be used nevertheless. It is at `copy` as it was, with its log.
    case damageAccepted(reason: String, copy: String)
    /// So many rows of a damaged database were read, and are in the new one.
    case salvaged(rows: Int)
    /// This could not be read.
    case lost(String)
}
