import ColaCore
import Testing

@testable import ColaServer

/// Hashes of passwords, and how often one may be wrong.
@Suite(.timeLimit(.minutes(5))) struct PasswordTests {
    /// Made by RabbitMQ 3.10.8, and by the commands of its page "Passwords".
    @Test(arguments: [
        (
            "rabbitmq-sha256:87f1c1d2:3bb729a6a59b5714551fd45c1468bafaae87ad5201d424bc25fa558ce0fbe6a5",
            "sesame and salt"
        ),
        ("rabbitmq-sha256:00000000:f12843c6b78d8e830014622739282a8a106d7881a768862e47bb77e1552b3271", "guest"),
        ("rabbitmq-md5:908dc60a:1369b5ed850296055d2725fb474896e9", "test12"),
        (
            "rabbitmq-sha512:908dc60a:1b8db8861ff2545b082c598e08cac2c635f67b3afae14ed33717441180fd7189"
                + "3d80fc396332ec407c4da3a60338cfd9aceff3819b20d6305f670359be031e77", "test12"
        ),
    ])
    func hashesOfRabbitMQVerify(text: String, password: String) throws {
        let hash = try #require(PasswordHash(text: text))
        #expect(hash.matches(password))
        #expect(!hash.matches(password + "x"))
    }

    @Test func aNewHashVerifiesAndIsAnotherEachTime() {
        let one = PasswordHash(ofNew: "sesame")
        let other = PasswordHash(ofNew: "sesame")
        #expect(one != other && one.salt != other.salt)
        #expect(one.algorithm == .pbkdf2 && one.rounds >= 600_000 && one.salt.count == 16)
        #expect(one.matches("sesame"))
        #expect(!one.matches("Sesame"))
        #expect(PasswordHash(text: one.text)?.matches("sesame") == true)
    }

    /// What is left of a limit, as plain values: it changes by being asked.
    private final class Bench {
        private var limit = FailureLimit()
        private var now = Instant(0)

        func pass(milliseconds: Int64) { now = now.advanced(byMilliseconds: milliseconds) }
        func fail(from address: String) { limit.fail(from: address, at: now) }
        func wait(for address: String) -> Int? { limit.wait(for: address, at: now) }
        var isExhausted: Bool { limit.isExhausted(at: now) }
    }

    @Test func anAddressIsNotLookedAtForAWhileAfterTenFailures() {
        let bench = Bench()
        for _ in 0..<10 {
            #expect(bench.wait(for: "10.0.0.1") == nil)
            bench.fail(from: "10.0.0.1")
        }
        #expect(bench.wait(for: "10.0.0.1") == 6)
        #expect(bench.wait(for: "10.0.0.2") == nil)
        bench.pass(milliseconds: 5_500)
        #expect(bench.wait(for: "10.0.0.1") == 1)
        bench.pass(milliseconds: 600)
        #expect(bench.wait(for: "10.0.0.1") == nil)
        bench.fail(from: "10.0.0.1")
        #expect(bench.wait(for: "10.0.0.1") == 6)
        // After a minute and a half all is forgotten.
        bench.pass(milliseconds: 90_000)
        for _ in 0..<10 {
            #expect(bench.wait(for: "10.0.0.1") == nil)
            bench.fail(from: "10.0.0.1")
        }
    }

    @Test func manyAddressesTogetherHaveALimitToo() {
        let bench = Bench()
        for number in 0..<100 {
            #expect(!bench.isExhausted)
            bench.fail(from: "10.0.0.\(number)")
        }
        #expect(bench.isExhausted)
        bench.pass(milliseconds: 250)
        #expect(!bench.isExhausted)
    }

    @Test func thePeersHostIsWithoutItsPort() {
        #expect(Peer.address("10.0.0.1:5000", isLoopback: false).host == "10.0.0.1")
        #expect(Peer.address("fe80::1:5000", isLoopback: false).host == "fe80::1")
    }
}
