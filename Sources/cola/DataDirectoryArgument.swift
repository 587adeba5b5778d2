/// A data directory that somebody named, before it is looked into.
enum DataDirectoryArgument {
    /// A wrong path is the likeliest mistake; what cannot be looked at for another reason others say.
    static func lookForData(in directory: String) throws {
        let hint = "name the directory given to `cola serve --data-dir`"
        switch fileKind(directory) {
        case .missing: throw Failure(.noInput, "there is no directory \(directory); \(hint)")
        case .file: throw Failure(.noInput, "\(directory) is not a directory; \(hint)")
        case .directory, .unknown: break
        }
        guard fileKind("\(directory)/cola.db") != .missing else {
            throw Failure(.noInput, "nothing is stored in \(directory): it has no cola.db; \(hint)")
        }
    }
}
