internal import ColaStore
internal import Logging

extension StoreNotice {
    func tell(_ logger: Logger) {
        switch self {
        case .migrated(let path, let from, let to, let copy):
            logger.notice(
                "the database was of an older version and was brought to this one; its definitions were copied before",
                metadata: ["data": "\(path)", "from": "\(from)", "to": "\(to)", "copy": "\(copy)"])
        case .damageAccepted(let reason, let copy):
            logger.error(
                "the database is damaged: it was kept, and what can be read is used",
                metadata: ["reason": "\(reason)", "copy": "\(copy)"])
        case .salvaged(let rows):
            logger.warning("what could be read is in a new database", metadata: ["rows": "\(rows)"])
        case .lost(let sentence): logger.error("not all could be read", metadata: ["damage": "\(sentence)"])
        }
    }
}
