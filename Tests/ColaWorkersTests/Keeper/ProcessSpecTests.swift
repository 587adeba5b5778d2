import ColaWorkers
import Testing

/// What can be said of a process before it is started, and of how one ended.
struct ProcessSpecTests {
    private static let good = ProcessSpec(executable: "/bin/true", arguments: ["true"], environment: ["A=b", "C="])

    @Test func whatNamesEverythingHasNoFlaw() {
        #expect(Self.good.flaw == nil)
    }

    @Test(
        arguments: [
            ("the path of the program is empty", spoiled { $0.executable = "" }),
            ("a path of 5000 bytes is longer", spoiled { $0.directory = String(repeating: "/", count: 5000) }),
            ("there are no arguments", spoiled { $0.arguments = [] }),
            ("holds a zero byte", spoiled { $0.arguments = ["a\u{0}b"] }),
            ("holds a zero byte", spoiled { $0.environment = ["A=\u{0}"] }),
            ("'A' in its environment is not NAME=value", spoiled { $0.environment = ["A"] }),
            ("'=b' in its environment is not NAME=value", spoiled { $0.environment = ["=b"] }),
            ("a user needs a group", spoiled { $0.user = 1 }),
            ("a user needs a group", spoiled { $0.group = 1 }),
            ("supplementary groups need a user", spoiled { $0.groups = [1] }),
            ("umask 1000 is above 777", spoiled { $0.umask = 0o1000 }),
            ("nice 40 is not between", spoiled { $0.nice = 40 }),
        ])
    func aFlawIsSaidInWords(reason: String, spec: ProcessSpec) throws {
        let flaw = try #require(spec.flaw)
        #expect(flaw.contains(reason))
    }

    private static func spoiled(_ change: (inout ProcessSpec) -> Void) -> ProcessSpec {
        var spec = good
        change(&spec)
        return spec
    }

    @Test func anEndIsSaidInWords() {
        #expect(ExitStatus.code(3).description == "exit code 3")
        #expect(ExitStatus.signal(9, isCoreDumped: false).description == "killed by SIGKILL")
        #expect(ExitStatus.signal(11, isCoreDumped: true).description == "killed by SIGSEGV (core dumped)")
        #expect(ExitStatus.signal(40, isCoreDumped: false).description == "killed by signal 40")
        #expect(ExitStatus.signal(31, isCoreDumped: false).description == "killed by SIGSYS")
    }
}
