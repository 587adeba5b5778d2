import ColaCore
import ColaServer
import Testing

/// Settings: where they come from, which of them goes first, and what is said of a wrong one.
@Suite struct SettingsTests {
    private func settings(
        _ arguments: String..., environment: [String: String] = [:], file: String? = nil
    ) throws -> Settings {
        try Settings(arguments: arguments, environment: environment) { path in path == "cola.yaml" ? file : nil }
    }

    private func complaint(
        _ arguments: String..., environment: [String: String] = [:], file: String? = nil
    ) -> String {
        do {
            _ = try Settings(arguments: arguments, environment: environment) { $0 == "cola.yaml" ? file : nil }
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func withoutAnythingTheDefaultsHold() throws {
        let settings = try settings()
        #expect(settings.dataDirectory == "./cola-data")
        #expect(settings.socketPath == "./cola-data/cola.sock")
        #expect(settings.socketMode == 0o660)
        #expect(settings.native?.host == "127.0.0.1")
        #expect(settings.native?.port == 7672)
        #expect(settings.account == nil)
        #expect(!settings.isDurabilityRelaxed)
        #expect(settings.bodyBytesMax == 16 << 20)
        #expect(settings.limits.cacheBytesMax == 64 << 20)
    }

    @Test func theCommandLineGoesBeforeTheEnvironmentAndThatBeforeTheFile() throws {
        let file = "queues-max: 3\ncache: 1K\nlog-format: json\n"
        let environment = ["COLA_QUEUES_MAX": "2", "COLA_CACHE": "2K"]
        let all = try settings("--queues-max", "1", environment: environment, file: file)
        #expect(all.limits.queuesMax == 1)
        #expect(all.limits.cacheBytesMax == 2_048)
        #expect(all.logFormat == "json")
    }

    @Test func aFlagIsWrittenEitherWay() throws {
        #expect(try settings("--data-dir=/x", "--accept-damage", "--log-level", "debug").acceptsDamage)
        #expect(try settings("--data-dir=/x=y").dataDirectory == "/x=y")
        #expect(try !settings("--accept-damage", "no").acceptsDamage)
        #expect(try settings("--data-dir", "/x").socketPath == "/x/cola.sock")
    }

    @Test func listenersCanBeOffAndAddressesAreHostAndPort() throws {
        #expect(try settings("--native", "off").native == nil)
        #expect(try settings("--socket", "off").socketPath == nil)
        let free = try settings("--native", "[::1]:0").native
        #expect(free?.host == "::1")
        #expect(free?.port == 0)
        #expect(
            complaint("--native", "off", "--socket", "off", "--amqp", "off", "--kafka", "off").contains(
                "nobody could reach"))
        #expect(try settings("--native", "off", "--socket", "off", "--amqp", "off").kafka?.port == 9092)
        #expect(
            try settings(
                "--native", "off", "--socket", "off", "--amqp", "off", "--amqps", "[::]:5671", "--tls-certificate", "c",
                "--tls-key", "k"
            ).amqps?.port == 5671)
        #expect(complaint("--amqps", "127.0.0.1:0", "--tls-key", "k").contains("set tls-certificate as well"))
        #expect(complaint("--amqps", "127.0.0.1:0", "--tls-certificate", "c").contains("set tls-key as well"))
    }

    @Test func anotherFileCanBeNamed() throws {
        let settings = try Settings(arguments: ["--config", "other"], environment: [:]) { path in
            path == "other" ? "queues-max: 7" : nil
        }
        #expect(settings.limits.queuesMax == 7)
        #expect(complaint("--config", "missing").contains("missing"))
        #expect(complaint(environment: ["COLA_CONFIG": "missing"]).contains("missing"))
    }

    /// One value that is wrong, and one that is right, for every setting that can be wrong.
    @Test(arguments: [
        ("socket-mode", "rw", "0600"), ("socket-mode", "1777", "0777"), ("native", "here", "127.0.0.1:1"),
        ("native", ":1", "h:1"), ("native", "h:65536", "h:65535"), ("kafka", "9092", "off"),
        ("kafka-partitions", "0", "3"), ("http", "127.0.0.1:15672", "off"), ("durability", "none", "relaxed"),
        ("accept-damage", "perhaps", "yes"), ("body-max", "0", "1"), ("body-max", "65M", "64M"),
        ("body-max", "16X", "16m"), ("connections-max", "0", "1"), ("connections-max", "1000001", "1000000"),
        ("queues-max", "many", "10"), ("consumers-max", "-1", "1"), ("unacked-max", "10000001", "1"),
        ("cache", "99999999999G", "0"), ("cache", "-1", "1g"), ("reserve", "17G", "16G"), ("log-format", "xml", "json"),
        ("log-level", "loud", "error"), ("data-dir", "", "/x"), ("socket", "", "/x"),
    ])
    func aWrongValueIsNamedWithItsOrigin(name: String, wrong: String, right: String) throws {
        let setting = try #require(Setting.all.first { $0.name == name })
        #expect(complaint("--\(name)=\(wrong)").contains("--\(name)"))
        #expect(complaint(environment: [setting.environmentName: wrong]).contains(setting.environmentName))
        #expect(complaint(file: "\(name): '\(wrong)'").contains("\(name) in cola.yaml"))
        #expect(complaint("--\(name)=\(right)") == "")
    }

    @Test func everySettingButTextCanBeWrong() {
        for setting in Setting.all {
            if case .text = setting.kind { continue }
            #expect(!complaint("--\(setting.name)=%").isEmpty, "\(setting.name)")
        }
    }

    @Test func userAndPasswordGoTogether() throws {
        #expect(complaint("--default-user", "ana").contains("default-pass"))
        #expect(complaint(environment: ["COLA_DEFAULT_PASS": "x"]).contains("default-user"))
        let both = try settings("--default-user", "ana", environment: ["COLA_DEFAULT_PASS": "secret"])
        #expect(both.account?.user == "ana")
        #expect(both.account?.password == "secret")
    }

    @Test func whatIsMisspeltIsGuessed() {
        #expect(complaint("--data-dri", "x").contains("did you mean data-dir?"))
        #expect(complaint("--durabilty=full").contains("did you mean durability?"))
        #expect(complaint(file: "queue-max: 3").contains("did you mean queues-max?"))
        #expect(!complaint("--quite-another-thing", "x").contains("did you mean"))
        #expect(complaint("data-dir").contains("'data-dir'"))
        #expect(complaint("--cache").contains("needs a value"))
    }

    @Test func aFileThatIsNoMappingIsRefused() throws {
        #expect(complaint(file: "- a\n- b\n").contains("cola.yaml"))
        #expect(complaint(file: "a: [").contains("YAML"))
        #expect(complaint(file: "cache: [1, 2]\n").contains("one value"))
        #expect(try settings(file: "").limits.cacheBytesMax == 64 << 20)
        #expect(try settings(file: "cache: 1024\naccept-damage: true\n").acceptsDamage)
    }

    @Test func helpNamesEverySettingItsDefaultAndItsVariable() {
        // However it is wrapped.
        let help = Setting.help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for setting in Setting.all {
            #expect(help.contains("--\(setting.name) \(setting.placeholder)"))
            #expect(help.contains(setting.help))
            if let value = setting.defaultValue { #expect(help.contains("(default: \(value))")) }
            #expect(setting.environmentName.hasPrefix("COLA_"))
        }
        #expect(Set(Setting.all.map(\.name)).count == Setting.all.count)
        #expect(Setting.help.split(separator: "\n").allSatisfy { $0.count <= 132 })
    }
}
