import ArgumentParser

/// How something is shown: once or again and again, as text for people or JSON for scripts.
struct DisplayOptions: ParsableArguments {
    /// What there is to show at one time.
    enum Picture {
        case json(String)
        case lines([String])

        var lines: [String] {
            switch self {
            case .json(let text): [text]
            case .lines(let lines): lines
            }
        }
    }

    @Flag(name: .long, help: "Print JSON for scripts instead of text for people.")
    var json = false

    @Option(
        name: .long, defaultAsFlag: 2.0,
        help: ArgumentHelp("Show it again and again, every so many seconds, until ^C.", valueName: "seconds"))
    var watch: Double?

    func validate() throws {
        if let watch, !(0.1...86_400 ~= watch) { throw ValidationError("--watch is 0.1 to 86400 seconds") }
    }

    /// Shows what `look` brings: on a terminal in place of what was there before, elsewhere as blocks with an empty
    /// line between them.
    func show(_ look: () async throws -> Picture) async throws {
        guard let watch else { return try Output.print(await look().lines.joined(separator: "\n")) }
        let isInPlace = Terminal.isStandardOutput && !json
        var isFirst = true
        while true {
            let lines = try await look().lines
            if isInPlace {
                try Screen.draw(lines, clearing: isFirst)
            } else {
                let gap = isFirst || json ? "" : "\n"
                try Output.print(gap + lines.joined(separator: "\n"))
            }
            isFirst = false
            try await Task.sleep(for: .seconds(watch))
        }
    }
}
