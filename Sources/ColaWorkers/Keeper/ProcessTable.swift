internal import CSpawn
internal import Glibc

/// The processes of the machine at one moment, and who descends from whom.
///
/// It is old as soon as it is made. So signals go by number and start time.
struct ProcessTable {
    /// A process as the system shows it.
    struct Entry {
        fileprivate let raw: cola_process

        var process: Int32 { raw.process }
        var parent: Int32 { raw.parent }
        var group: Int32 { raw.group }
        var session: Int32 { raw.session }
        var startTime: UInt64 { raw.start_time }
        var isZombie: Bool { raw.is_zombie }

        /// Sends a signal to this very process, whoever has its number now. Whether it was there does not matter.
        func signal(_ number: Int32) {
            var target = raw
            _ = cola_process_signal(&target, number)
        }
    }

    private let entries: [Entry]
    private let children: [Int32: [Int]]

    /// Reads all there are. Where the system does not show them, it is empty.
    static func read() -> ProcessTable {
        var room = 512
        while true {
            let raw = [cola_process](unsafeUninitializedCapacity: room) { buffer, filled in
                let count = cola_process_list(buffer.baseAddress, buffer.count)
                filled = max(0, min(count, buffer.count))
            }
            if raw.count < room { return ProcessTable(raw.map(Entry.init)) }
            room *= 2
        }
    }

    init(_ entries: [Entry]) {
        self.entries = entries
        var children: [Int32: [Int]] = [:]
        for (index, entry) in entries.enumerated() { children[entry.parent, default: []].append(index) }
        self.children = children
    }

    /// The process of that number alone, without all others.
    static func entry(_ process: Int32) -> Entry? {
        var raw = cola_process()
        return cola_process_read(process, &raw) == 0 ? Entry(raw: raw) : nil
    }

    /// Kills the process groups of children that were killed and are not collected.
    ///
    /// A group dies at one blow, which is faster than any of its members can fork. It is in a session that one of a
    /// worker's processes has made, as all sessions below the keeper are; so all its members are a worker's. And the
    /// dead hold its number.
    static func killGroups(of victims: [Int32]) {
        // 0 and 1 would be everybody; such a group is in another namespace, and the own one has none of them.
        var groups: Set<Int32> = [0, 1, getpgrp()]
        for victim in victims {
            guard let group = entry(victim)?.group, groups.insert(group).inserted else { continue }
            _ = kill(-group, SIGKILL)
        }
    }

    func children(of process: Int32) -> [Entry] {
        (children[process] ?? []).map { entries[$0] }
    }

    /// All below `process`, without itself.
    func descendants(of process: Int32) -> [Entry] {
        var found: [Entry] = []
        var parents = [process]
        // What was read one after the other could be a circle, if numbers were used again meanwhile.
        var seen: Set<Int32> = [process]
        while let parent = parents.popLast() {
            for child in children(of: parent) where seen.insert(child.process).inserted {
                found.append(child)
                parents.append(child.process)
            }
        }
        return found
    }

    /// The sessions that somebody is in.
    var sessions: Set<Int32> { Set(entries.map(\.session)) }
}
