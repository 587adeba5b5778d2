import ArgumentParser
import ColaStore

/// `cola sql`
struct SQL: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sql",
        abstract: "Read the broker's database with SQL.",
        discussion: """
            Beside a running broker, or on what a stopped one has left. It only reads, and never for long: the rows of \
            one moment are collected first, under a limit of rows and seconds, because the broker's write-ahead log \
            can only grow while somebody reads.

              cola sql --schema
              cola sql 'SELECT name, ready FROM queue JOIN logstate USING (log)'
              cola sql --data-dir copy --json 'SELECT * FROM meta'

            Blobs are shown by their size, with --hex by their bytes. The tables belong to this version of cola; the \
            next one may have others.

            Exit code 64 if the statement is wrong or writes, 66 if there is no database, 75 if it took too long.
            """)

    @Option(name: .long, help: ArgumentHelp("The broker's data directory.", valueName: "dir"))
    var dataDir = "./cola-data"

    @Flag(name: .long, help: "Explain the tables.")
    var schema = false

    @Flag(name: .long, help: "Print JSON, one array with an object per row, instead of a table for people.")
    var json = false

    @Flag(name: .long, help: "Show the bytes of blobs.")
    var hex = false

    @Option(name: .long, help: "Read at most so many rows.")
    var rows = 1000

    @Option(name: .long, help: "Read at most for so long.")
    var seconds = 5.0

    @Argument(
        help: ArgumentHelp("One statement that reads: SELECT, WITH, VALUES, EXPLAIN or PRAGMA.", valueName: "sql"))
    var statement: String?

    func validate() throws {
        guard (1...1_000_000).contains(rows) else { throw ValidationError("--rows is 1 to 1000000") }
        guard seconds >= 0.001, seconds <= 60 else { throw ValidationError("--seconds is 0.001 to 60") }
        guard (statement != nil) != schema else { throw ValidationError("give one statement, or --schema") }
    }

    func run() async throws {
        try DataDirectoryArgument.lookForData(in: dataDir)
        var query = StoreQuery(directory: dataDir)
        query.rowsMax = rows
        query.millisecondsMax = Int(seconds * 1000)
        let answer: StoreQuery.Answer
        do {
            answer = try query.run(statement ?? SQLOutput.schemaStatement)
        } catch let refusal as StoreQuery.Refusal {
            throw failure(refusal)
        }
        let output = SQLOutput(answer: answer, showsBytes: hex)
        try Output.print(schema ? output.schema : json ? output.json : output.table)
        switch answer.end {
        case .rows: Output.note("there are more than these \(rows) rows; --rows takes more, or LIMIT and OFFSET others")
        case .bytes:
            Output.note("there are more rows than these, which hold \(query.bytesMax) bytes; select fewer columns")
        case nil: break
        }
    }

    private func failure(_ refusal: StoreQuery.Refusal) -> Failure {
        switch refusal {
        case .writes:
            Failure(
                .usage,
                "`cola sql` only reads: this statement is no SELECT, VALUES, EXPLAIN or PRAGMA that "
                    + "changes nothing; queues and messages are changed with the other commands (`cola --help`)")
        case .severalStatements: Failure(.usage, "there is more than one statement; give one at a time")
        case .noStatement: Failure(.usage, "there is no statement; see `cola sql --help`")
        case .wrong(let reason):
            Failure(.usage, "the statement is wrong: \(reason); `cola sql --schema` has the tables")
        case .tooSlow(let milliseconds):
            Failure(
                .tryAgain,
                "the statement took more than \(milliseconds) ms and was stopped, so that it does not hold up the "
                    + "broker; let it read less, give it more --seconds, or read from a copy made by `cola backup`")
        }
    }
}
