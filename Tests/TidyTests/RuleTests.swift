import Testing

/// Each rule finds what it is there to find, at the right line, and leaves good code alone.
@Suite struct RuleTests {
    private func core(_ text: String) -> TextFile { TextFile(path: "Sources/ColaCore/Logs/Log.swift", text: text) }

    private func file(_ path: String, _ text: String = "") -> TextFile { TextFile(path: path, text: text) }

    // MARK: imports

    @Test(arguments: [
        ("import NIOCore", "NIOCore"), ("package import ColaCore", "ColaCore"), ("@testable import A", "A"),
        ("@preconcurrency internal import struct Foundation.Date", "Foundation"), ("    import Glibc", "Glibc"),
        ("@_spi(Raw) public import B.C", "B"), ("import Glibc; let a = 1", "Glibc"),
    ])
    func anImportIsSeenInEveryForm(line: String, module: String) {
        #expect(ImportRules.importedModule(line) == module)
    }

    @Test(arguments: ["let import = 1", "important()", "", "importA", "func import()"])
    func whatIsNoImportIsNone(line: String) {
        #expect(ImportRules.importedModule(line) == nil)
    }

    @Test(arguments: [
        ("ColaCore", "Foundation"), ("ColaCore", "NIOCore"), ("ColaCore", "CSQLite"), ("ColaCore", "Synchronization"),
        ("ColaCore", "Glibc"), ("ColaNative", "Foundation"),
        ("ColaStore", "NIOCore"), ("ColaStore", "CChecksum"), ("ColaNative", "NIOPosix"), ("ColaNative", "ColaStore"),
        ("ColaServer", "ArgumentParser"), ("ColaServer", "CSQLite"), ("ColaServer", "ColaTesting"),
        ("ColaClient", "ColaServer"), ("ColaClient", "ColaStore"), ("cola", "CSQLite"), ("cola", "ColaTesting"),
        ("cola", "CChecksum"), ("ColaNew", "Foundation"),
    ])
    func aForbiddenImportIsFound(target: String, module: String) {
        let findings = ImportRules.check(file("Sources/\(target)/File.swift", "\ninternal import \(module)\n"))
        #expect(findings.map(\.line) == [2])
        #expect(findings.allSatisfy { $0.description.contains(target) })
    }

    @Test(arguments: [
        ("ColaCore", "CChecksum"), ("ColaStore", "CSQLite"), ("ColaNative", "NIOCore"), ("cola", "NIOPosix"),
        ("cola", "NIOConcurrencyHelpers"), ("ColaServer", "CYAML"), ("ColaStore", "Glibc"), ("ColaNative", "Musl"),
    ])
    func anAllowedImportIsNot(target: String, module: String) {
        #expect(ImportRules.check(file("Sources/\(target)/File.swift", "import \(module)")).isEmpty)
    }

    @Test func theProgramHasAllOfFoundationOnlyWhereThereIsNoSmallerOne() {
        let guarded = "#if canImport(FoundationEssentials)\nimport FoundationEssentials\n#else\nimport Foundation\n"
        #expect(ImportRules.check(file("Sources/cola/File.swift", guarded)).isEmpty)
        #expect(ImportRules.check(file("Sources/cola/File.swift", "\nimport Foundation")).map(\.line) == [2])
        #expect(ImportRules.check(file("Sources/ColaTesting/File.swift", "import Foundation")).isEmpty)
    }

    @Test func anImportInACommentIsNone() {
        #expect(ImportRules.check(core("// import Foundation\n/* \nimport NIOCore\n*/\nlet a = \"import B\"")).isEmpty)
    }

    // MARK: the core

    @Test(arguments: [
        "let now = Date()", "print(\"x\")", "let a = try! b()", "fatalError(\"x\")", "Task { }", "Task.detached { }",
        "func a() async {", "await b()", "DispatchQueue.main", "let a = Int.random(in: 0...1)", "list.shuffled()",
        "list.randomElement()", "let clock = ContinuousClock()", "actor Broker {", "let lock = Mutex(0)",
        "var g = SystemRandomNumberGenerator()", "let a = Foundation.sqrt(2)",
    ])
    func impurityInTheCoreIsFound(line: String) {
        let findings = CoreRules.check(core("struct A {\n    \(line)\n}"))
        #expect(findings.first?.line == 2, "\(line)")
        #expect(CoreRules.check(file("Sources/ColaServer/A.swift", line)).isEmpty)
    }

    @Test(arguments: [
        "// await Date()", "let a = \"Task { await print() }\"", "let a = Int.random(in: 0...1, using: &generator)",
        "list.shuffle(\n        using: &generator)", "let updated = UpDate(1)", "blueprint(1)",
        "let asynchronous = true",
        "struct TaskList {", "let text = \"\"\"\n    fatalError(\n    \"\"\"", "let a = #\"print(\"a\")\"#",
    ])
    func pureCodeIsLeftAlone(line: String) {
        #expect(CoreRules.check(core("    \(line)")) == [])
    }

    @Test(arguments: [
        "for a in names {", "for (a, b) in self.table {", "for a in table.keys {", "for a in table.values where a {",
        "return names.map { $0 }", "return table.values.reduce(0, +)", "let a = names.first", "names.forEach { f($0) }",
    ])
    func theOrderOfAHashIsFound(line: String) {
        let declarations = "var names: Set<Int> = []\nvar table: [String: Int] = [:]\n\n\n"
        #expect(CoreRules.check(core(declarations + line)).map(\.line) == [5], "\(line)")
        #expect(CoreRules.check(core(declarations + "// The order does not matter: a sum.\n" + line)).isEmpty)
    }

    @Test(arguments: [
        "for a in names.sorted() {", "for a in list {", "table[1] = 2", "names.insert(1)", "return list.map { $0 }",
        "for a in table.keys.sorted() {", "for a in ordered.keys {", "if names.contains(1) {", "table.removeAll()",
    ])
    func orderedIterationIsNot(line: String) {
        let declarations = """
            var names = Set<Int>(), table: [String: Int] = [:]
            var list: [(a: Int, b: Int)] = []
            var ordered: OrderedDictionary<Int, Int>
            var table: [String: Int] = [:]

            """
        #expect(CoreRules.check(core(declarations + "\n\n" + line)).isEmpty, "\(line)")
    }

    // MARK: reasons

    @Test(arguments: [
        "final class A: @unchecked Sendable {", "nonisolated(unsafe) var a = 0", "let a = try! b()",
        "fatalError(\"x\")",
        "unsafeBitCast(a, to: B.self)",
    ])
    func whatIsRiskyNeedsAReason(line: String) {
        let path = "Sources/ColaServer/A.swift"
        #expect(ReasonRules.check(file(path, "import B\n\n\n\(line)")).map(\.line) == [4])
        #expect(ReasonRules.check(file(path, "// too far above\n\n\n\(line)")).map(\.line) == [4])
        #expect(ReasonRules.check(file(path, "// One owner: the loop.\n\n\(line)")).isEmpty)
        #expect(ReasonRules.check(file(path, "\(line)  // one owner")).isEmpty)
        #expect(ReasonRules.check(file(path, "// \(line)")).isEmpty)
    }

    // MARK: files

    @Test func namesThatSayNothingAreFound() {
        for name in [
            "StringUtils.swift", "NIOHelpers.swift", "QueueManager.swift", "Common.swift", "common/ByteUtil.c",
        ] {
            #expect(FileRules.checkName(file("Sources/ColaServer/\(name)")).count == 1, "\(name)")
        }
        #expect(FileRules.checkName(file("Sources/ColaServer/Listener.swift")).isEmpty)
    }

    @Test func aMainTypeWithoutDocCommentIsFound() {
        let path = "Sources/ColaCore/Log.swift"
        for head in [
            "struct Log {", "package final class Log {", "public enum Log: Int {", "@frozen package struct Log {",
        ] {
            #expect(FileRules.checkDocComment(file(path, "import A\n\n\(head)\n}")).map(\.line) == [3], "\(head)")
            #expect(FileRules.checkDocComment(file(path, "// not a doc comment\n\(head)")).map(\.line) == [2])
            #expect(FileRules.checkDocComment(file(path, "/// A log.\n\n\(head)")).map(\.line) == [3])
            #expect(FileRules.checkDocComment(file(path, "/// A log.\n\(head)")).isEmpty)
            #expect(FileRules.checkDocComment(file(path, "/// A log.\n@main\n\(head)")).isEmpty)
        }
    }

    @Test func theMainTypeIsTheOneTheFileIsNamedFor() {
        let two = "/// Part of it.\nstruct Part {}\n\nstruct Log {}"
        #expect(FileRules.checkDocComment(file("Sources/ColaCore/Log.swift", two)).map(\.line) == [4])
        #expect(FileRules.checkDocComment(file("Sources/ColaCore/Log+Reading.swift", two)).map(\.line) == [4])
        #expect(FileRules.checkDocComment(file("Sources/ColaCore/Other.swift", two)).isEmpty)
        #expect(FileRules.checkDocComment(file("Sources/ColaCore/A+B.swift", "extension A {}")).isEmpty)
    }

    @Test func longAndUnfinishedLinesAreFound() {
        let full = String(repeating: "é", count: 120)
        #expect(FileRules.checkLines(file("A.swift", "\n" + full)).isEmpty)
        #expect(FileRules.checkLines(file("A.swift", "\n" + full + "x")).map(\.line) == [2])
        #expect(FileRules.checkLines(file("A.swift", "// TO" + "DO: more")).count == 1)
        #expect(FileRules.checkLines(file("A.py", "# FIX" + "ME")).count == 1)
        #expect(FileRules.checkLines(file("A.swift", "let TO" + "DOS = 1, mastodon = 2")).isEmpty)
    }

    @Test func pathsOfADevelopmentMachineAreFound() {
        for line in ["see /wo" + "rk/main", "\"/fa" + "rm/x\"", "(/wo" + "rk/a)", "a/wo" + "rk/b /wo" + "rk/c"] {
            #expect(PlaceRules.check(file("README.md", "\n" + line)).map(\.line) == [2], "\(line)")
        }
        for line in ["/home/ana/wo" + "rk/x", "wo" + "rk/x", "/wo" + "rks/", "$HOME/wo" + "rk/", "/var/wo" + "rk"] {
            #expect(PlaceRules.check(file("README.md", line)).isEmpty, "\(line)")
        }
    }

    // MARK: links

    @Test func linksThatLeadNowhereAreFound() {
        let text = """
            [a](there.md) [b](gone.md) ![c](../gone.png "title")
            [d](https://example.org/gone) [e](#below) [f](there.md#part) [g](mailto:a@b) `[h](gone.md)`
            ```
            [i](gone.md)
            ```
            [j]: gone.md
            [k](../there.md)
            """
        let findings = LinkRules.check(
            file("docs/page.md", text), exists: { ["docs/there.md", "there.md"].contains($0) })
        #expect(findings.map(\.line) == [1, 1, 6])
    }

    @Test(arguments: [
        ("a.md", "docs/a.md"), ("./a.md#b", "docs/a.md"), ("../a.md", "a.md"), ("../../a.md", "../a.md"),
        ("/a.md", "a.md"),
        ("x/../a%20b.md", "docs/a b.md"),
    ])
    func aLinkIsCountedFromItsPage(target: String, path: String) {
        #expect(LinkRules.resolve(target, from: "docs/page.md") == path)
    }
}
