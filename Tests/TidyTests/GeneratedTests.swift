import Foundation
import Testing

/// What a script makes of a table, and is committed, is what it would make of the table of today.
@Suite struct GeneratedTests {
    @Test(.timeLimit(.minutes(5)), arguments: ["scripts/generate-amqp.py", "scripts/generate-kafka.py"])
    func generatedSourcesAreCurrent(script: String) throws {
        let check = Process()
        check.executableURL = URL(filePath: "/usr/bin/env")
        check.arguments = ["python3", script, "--check"]
        check.currentDirectoryURL = Repository().root
        let said = Pipe()
        check.standardError = said
        try check.run()
        let text = String(decoding: said.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        check.waitUntilExit()
        #expect(check.terminationStatus == 0, "\(script) says: \(text)")
    }
}
