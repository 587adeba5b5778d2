internal import ColaCore

// `backup`: the one request that has the server write to a path of the client's choosing.
extension NativeSession {
    mutating func backUp(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let path = try reader.name("PATH")
        let isFile = try reader.choice("as", ["directory": false, "file": true]) ?? false
        let replaces = try reader.truth("replace") ?? false
        try reader.end()
        guard path.hasPrefix("/"), !path.utf8.contains(0), path.utf8.count <= Configuration.pathBytesMax else {
            throw RequestReader.Malformed(
                "PATH begins with / and has at most \(Configuration.pathBytesMax) bytes: the server's folder is not "
                    + "the client's")
        }
        // A name and a password over TCP say nothing about who may write which file of this machine.
        guard access.identity(of: peer)?.isAdministrator == true else {
            let sentence =
                "only the server's own user (and root) may have it write a backup, over its Unix socket; "
                + "this is \(peer.description)"
            _ = refuse("access_refused", sentence, 0, reader.tag)
            return
        }
        request(.backUp(BackupOrder(path: path, isFile: isFile, replaces: replaces)), reader.tag)
    }
}
