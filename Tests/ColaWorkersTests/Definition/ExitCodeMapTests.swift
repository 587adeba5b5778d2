import ColaWorkers
import Testing

/// What an exit code means.
@Suite struct ExitCodeMapTests {
    @Test func theExitCodeDecides() {
        let map = ExitCodeMap()
        #expect(map.outcome(of: .code(0)) == .ack)
        #expect(map.outcome(of: .code(75)) == .retry)
        #expect(map.outcome(of: .code(1)) == .reject)
        #expect(map.outcome(of: .signal(9, isCoreDumped: false)) == .retry)
        #expect(!map.isCrash(.code(0)) && !map.isCrash(.code(75)))
        #expect(map.isCrash(.code(127)) && map.isCrash(.signal(11, isCoreDumped: false)))
    }
}
