/// Who may import what: the architecture as a table. A line that is missing here is a decision to be made, not a
/// mistake to be silenced: what the core does not import it cannot depend on.
///
/// Source: ARCHITECTURE.md, "Code map"
enum ImportRules {
    /// The modules each target may import. A name that ends with `*` stands for all that begin so; `libc` for the C
    /// library under each of its names.
    static let allowed: [String: Set<String>] = [
        "ColaCore": ["CChecksum", "DequeModule", "HeapModule", "OrderedCollections"],
        "ColaCompression": ["ColaCore", "CZlib", "CZstd", "CLZ4", "CSnappy"],
        "ColaStore": [
            "ColaCore", "ColaCompression", "CSQLite", "DequeModule", "OrderedCollections", "Synchronization", "libc",
        ],
        // libc for `memchr` alone, which finds the end of a line.
        "ColaNative": ["ColaCore", "NIOCore", "libc"],
        "ColaAMQP": ["ColaCore", "NIOCore", "DequeModule", "OrderedCollections", "libc"],
        "ColaKafka": ["ColaCore", "NIOCore", "DequeModule", "OrderedCollections", "libc"],
        // Nobody else imports NIOSSL, so that only what listens has to be built with BoringSSL.
        "ColaTLS": ["ColaCore", "NIOCore", "NIOSSL", "NIOTLS", "Synchronization", "libc"],
        "ColaWorkers": ["ColaCore", "CSpawn", "DequeModule", "OrderedCollections", "Synchronization", "libc"],
        "ColaServer": [
            "ColaCore", "ColaStore", "ColaNative", "ColaAMQP", "ColaKafka", "ColaTLS", "ColaWorkers", "CMalloc",
            "NIOCore", "NIOPosix", "Logging", "ServiceLifecycle", "DequeModule", "OrderedCollections", "UnixSignals",
            "CYAML",
            "CBuild", "Synchronization", "libc",
            // For passwords.
            "Crypto", "CryptoExtras",
        ],
        "ColaClient": ["ColaCore", "ColaNative", "NIOCore", "NIOPosix", "DequeModule", "Synchronization", "libc"],
        "ColaTesting": [
            "ColaCore", "ColaStore", "ColaNative", "ColaAMQP", "ColaServer", "NIOCore", "NIOEmbedded", "Logging",
            "DequeModule", "OrderedCollections", "libc",
            // Foundation for the JSON of the vectors alone.
            "Foundation",
        ],
        "cola": [
            // ColaAMQP for the properties of exported messages, which no other client has to understand.
            "ArgumentParser", "ColaServer", "ColaClient", "ColaNative", "ColaAMQP", "ColaStore", "ColaCore",
            "ColaWorkers", "NIO*",
            "Histogram", "Logging", "Dispatch", "Foundation", "FoundationEssentials", "Synchronization", "libc",
        ],
    ]

    static func check(_ file: TextFile) -> [Finding] {
        guard let target = file.target else { return [] }
        var findings: [Finding] = []
        for (index, line) in SwiftCode(file).lines.enumerated() {
            guard let module = importedModule(line) else { continue }
            guard let modules = allowed[target] else {
                return [
                    Finding(file, index, "\(target) is in no table", because: "say in ImportRules what it may import")
                ]
            }
            if !modules.contains(where: { permits($0, module) }) {
                let list = modules.sorted().joined(separator: ", ")
                findings.append(
                    Finding(
                        file, index, "\(target) must not import \(module)",
                        because: "it may import \(list) alone; see ARCHITECTURE.md for who knows whom"))
            } else if module == "Foundation", target != "ColaTesting", !isFallback(file.lines, index) {
                findings.append(
                    Finding(
                        file, index, "\(target) imports all of Foundation",
                        because: "FoundationEssentials does without tables for every language, which would be half of "
                            + "the program; Foundation may stand behind #else alone"))
            }
        }
        return findings
    }

    /// Whether the line is for where there is no FoundationEssentials.
    private static func isFallback(_ lines: [Substring], _ index: Int) -> Bool {
        index > 0 && lines[index - 1].contains("#else")
    }

    private static func permits(_ pattern: String, _ module: String) -> Bool {
        if pattern == "libc" { return ["Glibc", "Musl", "Darwin"].contains(module) }
        return pattern.hasSuffix("*") ? module.hasPrefix(pattern.dropLast()) : module == pattern
    }

    /// The module that `line` imports, whatever stands before and after: `@preconcurrency package import struct A.B`.
    static func importedModule(_ line: String) -> String? {
        var words = line.split { $0 == " " || $0 == "\t" }[...]
        let modifiers: Set = ["public", "package", "internal", "fileprivate", "private"]
        while let word = words.first, word.hasPrefix("@") || modifiers.contains(String(word)) { words.removeFirst() }
        guard words.popFirst() == "import", var name = words.popFirst() else { return nil }
        let kinds: Set = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var", "actor"]
        if kinds.contains(String(name)), let next = words.popFirst() { name = next }
        return name.split(whereSeparator: { $0 == "." || $0 == ";" }).first.map(String.init)
    }
}
