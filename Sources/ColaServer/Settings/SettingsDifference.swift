internal import ColaCore
internal import ColaWorkers

/// What reading the configuration again finds changed.
struct SettingsDifference {
    /// Whether the workers go by it now.
    var isApplied = false
    /// Whether the files of certificates and keys hold others than before; nil: nothing here needs any.
    var hasNewCertificates: Bool?
    private let settings: [Change]
    private let workers: [WorkerDifference]

    private struct Change {
        let name: String
        let old: String?
        let new: String?
        /// Whether it holds only after the server was started anew.
        let needsRestart: Bool
    }

    init(from old: Settings, to new: Settings) {
        workers = WorkerDefinition.difference(old.workers, new.workers).filter { $0.kind != .unchanged }
        settings = Setting.all.compactMap { setting in
            let before = old.given[setting.name]
            let after = new.given[setting.name]
            guard before != after else { return nil }
            return Change(
                name: setting.name, old: setting.isSecret ? before.map { _ in "set" } : before,
                new: setting.isSecret ? after.map { _ in "set anew" } : after,
                needsRestart: setting.needsRestart)
        }
    }

    /// One line for the log.
    var summary: String {
        var parts = workers.map { worker in
            switch worker.kind {
            case .added: "worker \(worker.name) added"
            case .removed: "worker \(worker.name) removed"
            case .changed(let changes): "worker \(worker.name): \(changes.map(\.field).joined(separator: ", "))"
            case .unchanged: ""
            }
        }
        if hasNewCertificates == true { parts.append("new certificates") }
        let waiting = settings.filter(\.needsRestart).map(\.name)
        if !waiting.isEmpty { parts.append("after the next start of the server: \(waiting.joined(separator: ", "))") }
        return parts.isEmpty ? "none" : parts.joined(separator: "; ")
    }

    /// Shape: `{applied, workers: [{name, change: added|removed|changed, settings: [{name, old, new, restart}]}],
    ///        settings: [{name, old, new, restart}], certificates}`; old and new null where a setting is as by
    ///        default; certificates, whether they are new, only where there is a listener for TLS.
    ///
    /// Source: `protocol/native.md` section 3.7
    var description: Description {
        var description = Description()
        description.add("applied", isApplied)
        description.add("workers", .list(workers.map { .fields(Self.row($0)) }))
        let rows = settings.map { Self.row($0.name, $0.old, $0.new, $0.needsRestart) }
        description.add("settings", .list(rows.map { .fields($0) }))
        if let hasNewCertificates { description.add("certificates", hasNewCertificates) }
        return description
    }

    private static func row(_ worker: WorkerDifference) -> Description {
        var row = Description()
        row.add("name", worker.name.description)
        var changes: [Description.Value] = []
        switch worker.kind {
        case .added: row.add("change", "added")
        case .removed: row.add("change", "removed")
        case .unchanged: row.add("change", "unchanged")
        case .changed(let settings):
            row.add("change", "changed")
            changes = settings.map { .fields(Self.row($0.field, $0.old, $0.new, $0.needsRestart)) }
        }
        row.add("settings", .list(changes))
        return row
    }

    private static func row(_ name: String, _ old: String?, _ new: String?, _ needsRestart: Bool) -> Description {
        var row = Description()
        row.add("name", name)
        row.add("old", old)
        row.add("new", new)
        row.add("restart", needsRestart)
        return row
    }
}
