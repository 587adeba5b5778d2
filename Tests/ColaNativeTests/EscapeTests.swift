import ColaNative
import NIOCore
import Testing

@Suite struct EscapeTests {
    private func written(_ text: [UInt8], as place: Escape.Place = .word) -> String {
        var buffer = ByteBuffer()
        Escape.write(text[...], to: &buffer, as: place)
        return String(buffer: buffer)
    }

    private func read(_ text: String, as place: Escape.Place = .word) -> [UInt8]? {
        Array(text.utf8).withUnsafeBytes { Escape.decode($0, as: place) }
    }

    @Test func plainTextIsWrittenAsItIs() {
        #expect(written(Array("größe.a=b/c".utf8)) == "größe.a=b/c")
        #expect(written([0xFF, 0x80]).utf8.count > 0)
        #expect(read("größe.a=b/c") == Array("größe.a=b/c".utf8))
    }

    @Test func whatWouldEndAWordIsEscaped() {
        #expect(written(Array("two words\n100%\u{7F}".utf8)) == "two%20words%0A100%25%7F")
        #expect(read("two%20words%0a100%25%7f") == Array("two words\n100%\u{7F}".utf8))
    }

    @Test func anEmptyTextIsALonePercentWhereItIsAWordAndNothingElsewhere() {
        #expect(written([]) == "%")
        #expect(written([], as: .optionValue) == "")
        #expect(read("%") == [])
        #expect(read("", as: .optionValue) == [])
        #expect(read("%", as: .optionValue) == nil)
        #expect(read("%", as: .headerName) == nil)
    }

    @Test func theNameOfAHeaderHidesItsEqualsSign() {
        #expect(written(Array("a=b".utf8), as: .headerName) == "a%3Db")
        #expect(read("a%3Db", as: .headerName) == Array("a=b".utf8))
    }

    @Test(arguments: ["%%", "a%", "a%2", "%2", "%G0", "%0G", "%%20", "%2%20", "% 0", "a b", "a\u{1}", "a\u{7F}", "%+1"])
    func anOddEscapeIsNoText(_ text: String) {
        #expect(read(text) == nil)
    }

    @Test func everyByteComesBack() {
        for place in [Escape.Place.word, .optionValue, .headerName] {
            var random = SplitMix(seed: 7)
            for length in 1..<300 {
                let text = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
                var buffer = ByteBuffer()
                Escape.write(text[...], to: &buffer, as: place)
                let bytes = Array(buffer.readableBytesView)
                #expect(!bytes.contains { $0 <= 0x20 || $0 == 0x7F })
                #expect(bytes.withUnsafeBytes { Escape.decode($0, as: place) } == text)
            }
        }
    }
}
