import ArgumentParser
import ColaStore

import enum ColaCore.JSONText

/// `cola check`
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a data directory that no broker has open.",
        discussion: """
            Reads every page, every batch of records and every state, holds them against one another, and changes \
            nothing. It takes as long as reading the whole file.

              cola check
              cola check ./cola-data

            Exit code 0 if what is stored can be read, 65 if something is damaged or written by a newer cola, 66 if \
            nothing is stored there, 75 if a broker has the directory open.
            """)

    @Flag(name: .long, help: "One line of JSON.")
    var json = false

    @Argument(help: ArgumentHelp("The data directory.", valueName: "dir"), completion: .directory)
    var directory = "./cola-data"

    func run() async throws {
        try DataDirectoryArgument.lookForData(in: directory)
        let report = try StoreCheck(directory: directory).run()
        try Output.print(json ? Self.json(report) : Self.text(report, directory))
        if !report.isSound {
            throw Failure(
                .badData,
                "\(directory) is damaged; `cola serve` puts damaged batches aside and goes on, and if it refuses to "
                    + "start, --accept-damage makes it start with what can be read (a copy of the file is kept first)")
        }
    }

    private static func text(_ report: StoreCheck.Report, _ directory: String) -> String {
        let totals = report.totals
        var lines = report.findings.map { "\($0.severity.rawValue): \(Output.printable($0.sentence))" }
        lines.append(
            "\(report.isSound ? "sound" : "damaged"): \(totals.queues) queues, \(totals.topics) topics, "
                + "\(totals.ready) messages, \(totals.records) records in \(totals.chunks) chunks, "
                + "\(totals.databaseBytes + totals.logBytes) bytes")
        return lines.joined(separator: "\n")
    }

    /// Members may be added, never renamed.
    private static func json(_ report: StoreCheck.Report) -> String {
        let totals = report.totals
        var bytes = Array("{\"sound\":\(report.isSound),\"findings\":[".utf8)
        for (index, finding) in report.findings.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: "{\"severity\":\"\(finding.severity.rawValue)\",\"sentence\":".utf8)
            JSONText.append(finding.sentence.utf8, to: &bytes)
            bytes.append(UInt8(ascii: "}"))
        }
        let members = [
            ("queues", totals.queues), ("topics", totals.topics), ("logs", totals.logs), ("chunks", totals.chunks),
            ("records", totals.records), ("ready", totals.ready), ("database_bytes", totals.databaseBytes),
            ("log_bytes", totals.logBytes),
        ]
        bytes.append(contentsOf: "],".utf8)
        bytes.append(contentsOf: members.map { "\"\($0)\":\($1)" }.joined(separator: ",").utf8)
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }
}
