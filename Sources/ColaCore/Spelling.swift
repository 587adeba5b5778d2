/// What was probably meant by a name that there is none of.
package enum Spelling {
    /// The name that is at most `changes` letters away, and half of the word's, and nearest; nil if none is.
    package static func nearest(to word: String, among names: [String], changes: Int = 3) -> String? {
        names.map { (name: $0, distance: distance($0, word)) }
            .filter { $0.distance <= changes && $0.distance * 2 <= word.count }
            .min { $0.distance < $1.distance }?.name
    }

    /// How many letters must change to make one word from the other (Levenshtein, 1966).
    private static func distance(_ first: String, _ second: String) -> Int {
        let letters = Array(second)
        var row = Array(0...letters.count)
        for (line, letter) in first.enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for column in letters.indices {
                let replaced = diagonal + (letters[column] == letter ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
            }
        }
        return row[letters.count]
    }
}
