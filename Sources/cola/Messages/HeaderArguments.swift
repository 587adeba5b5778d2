import ArgumentParser
import ColaClient

/// Headers as they are written on the command line.
enum HeaderArguments {
    static func parse(_ texts: [String]) throws -> [Header] {
        try texts.map { text in
            guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
                throw ValidationError("'\(text)' is not a header; write --header NAME=VALUE")
            }
            return Header(String(text[..<equals]), String(text[text.index(after: equals)...]))
        }
    }
}
