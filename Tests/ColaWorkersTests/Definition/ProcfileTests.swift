import ColaWorkers
import Testing

/// Procfiles become workers.
@Suite struct ProcfileTests {
    @Test func eachLineIsAWorkerThatAShellStarts() throws {
        let procfile = try Procfile(
            "# all of it\nweb: bundle exec rails s -p $PORT\r\n\n  mail-2 :sidekiq -q mail: 2\n")
        #expect(procfile.workers.map(\.name.description) == ["web", "mail-2"])
        #expect(procfile.workers[0].command == ["sh", "-c", "bundle exec rails s -p $PORT"])
        #expect(procfile.workers[1].command == ["sh", "-c", "sidekiq -q mail: 2"])
        #expect(procfile.workers.allSatisfy { $0.mode == .client && $0.queue == nil })
    }

    @Test func theTextToPasteIsYAML() throws {
        let procfile = try Procfile("web: rails s -p $PORT\nyes: echo 'it''s'\n")
        #expect(
            procfile.yaml == """
                workers:
                  web:
                    command: [sh, '-c', 'rails s -p $PORT']
                    mode: client
                  'yes':
                    command: [sh, '-c', 'echo ''it''''s''']
                    mode: client

                """)
        #expect(try Procfile("").yaml == "workers: {}\n")
    }

    @Test func whatNoLineCanHoldIsEscaped() {
        #expect(DefinitionNode.scalar("a\nb\"\u{1}").yaml(indent: 0) == "\"a\\nb\\\"\\x01\"\n")
        #expect(DefinitionNode.scalar("").yaml(indent: 2) == "  ''\n")
        #expect(DefinitionNode.scalar("- a").yaml(indent: 0) == "'- a'\n")
    }

    @Test func whatIsWrongIsNamedWithItsLine() {
        #expect {
            _ = try Procfile("web: x\nno colon\nweb: y\nq:\n")
        } throws: { error in
            "\(error)".split(separator: "\n").map(String.init) == [
                "workers: line 2 of the Procfile is 'no colon'; it must be `NAME: COMMAND`, with a name of letters, "
                    + "digits, '.', '_' and '-'",
                "worker web: is in line 3 of the Procfile for the second time; give it another name",
                "worker q: command in line 4 of the Procfile is empty; write what to start behind the colon",
            ]
        }
    }
}
