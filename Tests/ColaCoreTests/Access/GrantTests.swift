import Testing

@testable import ColaCore

/// Patterns as permissions.
@Suite struct GrantTests {
    private func grant(_ write: String) throws -> Grant {
        try Grant(PermissionDefinition(user: "u", configure: "", write: write, read: ""))
    }

    /// As RabbitMQ: found anywhere in the name unless anchored, and an empty one fits nothing.
    @Test(arguments: [
        ("orders", "orders", true), ("orders", "old-orders-2", true), ("^orders$", "old-orders-2", false),
        ("^(bob\\..*|orders)$", "bob.q", true), ("^(bob\\..*|orders)$", "bob", false), ("", "q", false), ("", "", true),
        (".*", "", true),
    ])
    func aPatternIsFoundInTheName(pattern: String, name: String, fits: Bool) throws {
        #expect(try grant(pattern).allows(.write, .queue(name)) == fits)
    }

    @Test func theExchangeWithoutANameHasOneHere() throws {
        #expect(try grant("^amq\\.default$").allows(.write, .exchange("")))
    }

    @Test func namesInPatternsAreText() throws {
        let names = ["{username}": "a.*", "{vhost}": "/", "{client_id}": ""]
        #expect(Grant.expand("^{username}-{vhost}$", names) == #"^a\.\*-/$"#)
        #expect(Grant.expand("{client_id}x{other}{", names) == "x{other}{")
        #expect(Grant.expand("a{2,3}", names) == "a{2,3}")
        var grant = try self.grant(".*")
        grant.put(TopicPermissionDefinition(user: "a.*", exchange: "x", write: "^{username}$", read: ""))
        #expect(grant.allows(.write, exchange: "x", routingKey: "a.*", client: ""))
        #expect(!grant.allows(.write, exchange: "x", routingKey: "abc", client: ""))
        #expect(!grant.allows(.read, exchange: "x", routingKey: "a.*", client: ""))
        #expect(grant.allows(.read, exchange: "y", routingKey: "a.*", client: ""))
    }

    /// Any name, with any signs in it, stands for itself.
    @Test(arguments: 0..<20)
    func whateverStandsInANameIsFoundAsItIs(seed: UInt64) throws {
        var state = seed &* 6_364_136_223_846_793_005 &+ 1
        let signs = Array(#"ab.*+?()[]{}|^$\-/ü "#)
        for _ in 0..<50 {
            let name = (0..<6).map { _ -> String in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return String(signs[Int(state >> 33) % signs.count])
            }.joined()
            let pattern = try Pattern(Grant.expand("^{username}$", ["{username}": name]))
            #expect(pattern.matches(name), "\(name)")
            #expect(!pattern.matches(name + "x"), "\(name)")
        }
    }
}
