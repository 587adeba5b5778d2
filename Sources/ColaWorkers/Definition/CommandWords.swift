/// A command in one text, cut into words as a shell cuts them, and nothing else that a shell does.
///
/// No shell is started for it: what only a shell understands is refused, with what to write instead.
enum CommandWords {
    enum Problem: Error, Equatable, CustomStringConvertible {
        /// A quotation mark or backslash that nothing ends.
        case unfinished
        case needsShell(Character)

        /// To be read behind the text itself.
        var description: String {
            switch self {
            case .unfinished: ", in which a quotation mark or backslash has no end; complete it"
            case .needsShell(let character):
                ", with a \(character) that only a shell understands; quote it, or write [sh, -c, 'COMMAND']"
            }
        }
    }

    /// Blanks part words; `'…'` is verbatim; in `"…"`, and outside, a backslash takes its meaning from what follows.
    static func split(_ text: String) throws(Problem) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var isEscaped = false
        for character in text {
            if isEscaped {
                // Between double marks a backslash is a letter, unless it is before one of these.
                if quote == "\"", !"\"\\$`".contains(character) { word = (word ?? "") + "\\" }
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if let mark = quote {
                if character == mark {
                    quote = nil
                } else if mark == "\"", character == "$" || character == "`" {
                    throw .needsShell(character)
                } else {
                    word = (word ?? "") + String(character)
                }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let finished = word { words.append(finished) }
                word = nil
            } else if "|&;<>()$`*?[]{}#~!".contains(character) {
                throw .needsShell(character)
            } else {
                word = (word ?? "") + String(character)
            }
        }
        guard quote == nil, !isEscaped else { throw .unfinished }
        return words + (word.map { [$0] } ?? [])
    }
}
