import ColaWorkers
import Testing

struct WorkerNameTests {
    @Test(arguments: ["a", "resize", "Resize-2.jpg_x", "0", "_x", String(repeating: "a", count: 64)])
    func aNameIsTaken(text: String) {
        #expect(WorkerName(text)?.description == text)
    }

    @Test(arguments: ["", ".", "..", "-q", "a/b", "a b", "a\u{0}", "é", String(repeating: "a", count: 65)])
    func whatIsUnsafeSomewhereIsNone(text: String) {
        #expect(WorkerName(text) == nil)
    }
}
