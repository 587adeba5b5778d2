import Testing

@testable import ColaCore

/// What a headers exchange takes.
@Suite struct HeadersTableTests {
    private let scene = RouterScene()

    @Test func allMeansEveryHeaderAndMoreMayBeThere() {
        scene.addQueue("q")
        scene.bind("amq.headers", "q", ["colour": "red", "size": "9"])
        #expect(scene.names("amq.headers", "", ["colour": "red", "size": "9"]) == ["q"])
        #expect(scene.names("amq.headers", "", ["size": "9", "other": "x", "colour": "red"]) == ["q"])
        #expect(scene.names("amq.headers", "", ["colour": "red"]) == [])
        #expect(scene.names("amq.headers", "", ["colour": "red", "size": "10"]) == [])
        #expect(scene.names("amq.headers") == [])
    }

    @Test func anyMeansOneIsEnough() {
        scene.addQueue("q")
        scene.bind("amq.headers", "q", any: true, ["colour": "red", "size": "9"])
        #expect(scene.names("amq.headers", "", ["size": "9"]) == ["q"])
        #expect(scene.names("amq.headers", "", ["colour": "red", "size": "9"]) == ["q"])
        #expect(scene.names("amq.headers", "", ["colour": "blue", "size": "10"]) == [])
    }

    @Test func aHeaderWithoutAValueNeedOnlyBeThere() {
        scene.addQueues("all", "any", "two")
        scene.bind("amq.headers", "all", ["a": nil])
        scene.bind("amq.headers", "any", any: true, ["a": nil, "b": nil])
        scene.bind("amq.headers", "two", ["a": nil, "b": "1"])
        #expect(scene.names("amq.headers", "", ["a": ""]) == ["all", "any"])
        #expect(scene.names("amq.headers", "", ["a": nil]) == ["all", "any"])
        #expect(scene.names("amq.headers", "", ["b": "2"]) == ["any"])
        #expect(scene.names("amq.headers", "", ["a": "x", "b": "1"]) == ["all", "any", "two"])
        #expect(scene.names("amq.headers", "", ["c": "x"]) == [])
    }

    @Test func aValueThatIsMissingIsNotTheEmptyOne() {
        scene.addQueue("q")
        scene.bind("amq.headers", "q", ["a": ""])
        #expect(scene.names("amq.headers", "", ["a": ""]) == ["q"])
        #expect(scene.names("amq.headers", "", ["a": nil]) == [])
    }

    @Test func allOfNothingIsEveryMessageAndAnyOfNothingIsNone() {
        scene.addQueues("all", "any")
        let all = scene.bind("amq.headers", "all", [:])
        let any = scene.bind("amq.headers", "any", any: true, [:])
        #expect(scene.names("amq.headers") == ["all"])
        #expect(scene.names("amq.headers", "k", ["a": "1"]) == ["all"])
        #expect(scene.router.remove(all))
        #expect(scene.names("amq.headers", "k", ["a": "1"]) == [])
        #expect(scene.router.remove(any))
    }

    @Test func theKeyDoesNotMatter() {
        scene.addQueue("q")
        scene.bind("amq.match", "q", ["a": "1"])
        for key in ["", "k", "a.b.c"] { #expect(scene.names("amq.match", key, ["a": "1"]) == ["q"]) }
    }

    @Test(arguments: HeadersMatch.Mode.allCases)
    func argumentsThatBeginWithXCountWhereTheyAreAskedFor(mode: HeadersMatch.Mode) {
        scene.addQueue("q")
        scene.bind(
            "amq.headers", "q", arguments: ["x-match": .text(mode.rawValue), "x-a": .text("1"), "b": .text("2")])
        let isTaken = [["x-a": "1"], ["b": "2"], ["x-a": "1", "b": "2"]].map { headers in
            var encoded = RecordHeaders()
            for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
                encoded.append(name: name.utf8, value: Optional(value.utf8))
            }
            return scene.router.route(exchange: "amq.headers", key: "", headers: encoded)?.isEmpty == false
        }
        switch mode {
        case .all, .any: #expect(isTaken == [false, true, true])
        case .allWithX: #expect(isTaken == [false, false, true])
        case .anyWithX: #expect(isTaken == [true, true, true])
        }
    }

    @Test func valuesAreComparedAsText() {
        scene.addQueue("q")
        let values: [(ArgumentTable.Value, String?)] = [
            (.integer(-7), "-7"), (.float(1.5), "1.5"), (.truth(true), "true"), (.text("1"), "1"), (.nothing, "any"),
            (.opaque(type: 0x54, [0, 255], text: "255"), "255"),
        ]
        for (value, text) in values {
            let binding = scene.bind("amq.headers", "q", arguments: ["a": value])
            #expect(scene.names("amq.headers", "", ["a": text]) == ["q"], "\(value)")
            #expect(scene.names("amq.headers", "", ["a": "2"]) == (value == .nothing ? ["q"] : []), "\(value)")
            #expect(scene.router.remove(binding))
        }
    }

    @Test func whatAClientOfColaAsksForStaysWhatItWas() {
        #expect(HeadersMatch().arguments == [:])
        #expect(HeadersMatch(isAny: true).arguments == ["x-match": .text("any")])
        let headers = [HeadersMatch.Header(name: "a", value: "1"), .init(name: "x-b", value: nil)]
        let match = HeadersMatch(isAny: false, headers: headers)
        #expect(match.arguments == ["x-match": .text("all-with-x"), "a": .text("1"), "x-b": .nothing])
        #expect(HeadersMatch(match.arguments) == match)
    }

    @Test func headersThatBeginWithXAreHeaders() {
        scene.addQueue("q")
        scene.bind("amq.headers", "q", ["x-tenant": "1"])
        #expect(scene.names("amq.headers", "", ["x-tenant": "1"]) == ["q"])
        #expect(scene.names("amq.headers", "", ["x-tenant": "2"]) == [])
    }

    @Test func aHeaderThatIsThereTwiceOffersBothValues() {
        scene.addQueues("one", "two")
        scene.bind("amq.headers", "one", ["a": "1"])
        scene.bind("amq.headers", "two", ["a": "2"])
        #expect(scene.names("amq.headers", "", ["a": "1", "a": "2"]) == ["one", "two"])
        #expect(scene.names("amq.headers", "", ["a": "2"]) == ["two"])
    }

    @Test func aValueThatIsNotTextIsStillPresent() {
        scene.addQueues("there", "text")
        scene.bind("amq.headers", "there", ["a": nil])
        scene.bind("amq.headers", "text", ["a": "\u{fffd}"])
        var headers = RecordHeaders()
        headers.append(name: "a".utf8, value: [0xff])
        headers.append(name: [0xff], value: Optional("x".utf8))
        let route = scene.router.route(exchange: "amq.headers", key: "", headers: headers)
        #expect(route?.map(\.name) == ["there"])
    }

    @Test func aRemovedBindingIsGoneFromEveryHeader() {
        scene.addQueues("q", "r")
        let any = scene.bind("amq.headers", "q", any: true, ["a": "1", "b": nil])
        let all = scene.bind("amq.headers", "q", ["a": "1", "b": nil])
        scene.bind("amq.headers", "r", any: true, ["a": "1", "b": nil])
        #expect(scene.router.remove(any))
        #expect(scene.names("amq.headers", "", ["b": "2"]) == ["r"])
        #expect(scene.names("amq.headers", "", ["a": "1", "b": "2"]) == ["q", "r"])
        #expect(scene.router.remove(all))
        #expect(scene.names("amq.headers", "", ["a": "1", "b": "2"]) == ["r"])
    }
}
