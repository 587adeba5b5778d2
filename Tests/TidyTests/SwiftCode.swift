/// The lines of a Swift file with comments and the text of string literals blanked out, so that a rule about code does
/// not mistake what is only written about. Interpolated code counts as text.
struct SwiftCode {
    let lines: [String]

    private enum State: Equatable {
        case code
        case blockComment(depth: Int)
        case string(hashes: Int, isMultiline: Bool)
    }

    init(_ file: TextFile) {
        var state = State.code
        lines = file.lines.map { Self.blank(Array($0), &state) }
    }

    private static func blank(_ line: [Character], _ state: inout State) -> String {
        var code = ""
        var index = 0
        func at(_ text: String, _ position: Int) -> Bool { line[min(position, line.count)...].starts(with: text) }
        while index < line.count {
            switch state {
            case .code:
                let hashes = line[index...].prefix { $0 == "#" }.count
                if at("//", index) { return code }
                if at("/*", index) {
                    state = .blockComment(depth: 1)
                    index += 2
                } else if at("\"", index + hashes) {
                    let isMultiline = at("\"\"\"", index + hashes)
                    state = .string(hashes: hashes, isMultiline: isMultiline)
                    index += hashes + (isMultiline ? 3 : 1)
                    code += "\""
                } else {
                    code.append(line[index])
                    index += 1
                }
            case .blockComment(let depth):
                if at("*/", index) {
                    state = depth == 1 ? .code : .blockComment(depth: depth - 1)
                    index += 2
                } else if at("/*", index) {
                    state = .blockComment(depth: depth + 1)
                    index += 2
                } else {
                    index += 1
                }
            case .string(let hashes, let isMultiline):
                let marks = String(repeating: "#", count: hashes)
                let end = (isMultiline ? "\"\"\"" : "\"") + marks
                if at("\\" + marks, index) {
                    index += 2 + hashes
                } else if at(end, index) {
                    state = .code
                    index += end.count
                    code += "\""
                } else {
                    index += 1
                }
            }
        }
        if case .string(_, isMultiline: false) = state { state = .code }  // not valid Swift: do not lose the rest
        return code
    }
}
