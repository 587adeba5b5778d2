import ColaNative
import NIOCore
import Testing

@Suite struct DecimalTests {
    private func parse(_ text: String) -> Int64? { Array(text.utf8).withUnsafeBytes(Decimal.parse) }
    private func range(_ text: String) -> ClosedRange<Int64>? { Array(text.utf8).withUnsafeBytes(Decimal.parseRange) }

    @Test func digitsAreANumber() {
        #expect(parse("0") == 0)
        #expect(parse("10") == 10)
        #expect(parse("9223372036854775807") == .max)
    }

    @Test(arguments: [
        "", "-1", "+1", "01", "00", "1 ", "0x1", "1.0", "9223372036854775808", "9999999999999999999",
        "18446744073709551616", "10000000000000000000000", "１",
    ])
    func anythingElseIsNot(_ text: String) {
        #expect(parse(text) == nil)
    }

    @Test func rangesGoUpwards() {
        #expect(range("7") == 7...7)
        #expect(range("7-7") == 7...7)
        #expect(range("1-9223372036854775807") == 1...Int64.max)
        for text in ["", "-", "7-", "-7", "8-7", "1-2-3", "1--2", "01-2", "1-02"] {
            #expect(range(text) == nil, "\(text)")
        }
    }

    @Test func whatIsWrittenIsReadBack() {
        var numbers: [Int64] = [0, .max, .max - 1]
        var power: Int64 = 1
        for _ in 0..<19 {
            numbers += [power - 1, power, power + 1]
            power = power.multipliedReportingOverflow(by: 10).partialValue
        }
        for number in numbers {
            var buffer = ByteBuffer()
            Decimal.write(number, to: &buffer)
            #expect(String(buffer: buffer) == "\(number)")
        }
    }
}
