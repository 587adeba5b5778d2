import ColaCore
import ColaTesting
import Foundation
import Testing

/// What `protocol/native.md` lists is what there is: codes of errors, arguments, headers, features.
@Suite struct SpecificationTests {
    private struct Page {
        let text: String

        init() throws {
            let path = URL(filePath: #filePath).appending(path: "../../../protocol/native.md").standardized
            text = try String(contentsOf: path, encoding: .utf8)
        }

        /// What stands between backquotes in the first column of the table with that heading.
        func firstColumn(_ heading: String) throws -> [String] {
            let start = try #require(text.range(of: "\n| \(heading) |"))
            let rows = text[start.upperBound...].split(separator: "\n", omittingEmptySubsequences: false)
            return rows.dropFirst(2).prefix { $0.hasPrefix("|") }.flatMap { row in
                let cell = row.split(separator: "|")[0]
                return cell.split(separator: "`").enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
            }
        }
    }

    /// Which of ``BrokerError/examples`` it is: does not compile when there is a new kind.
    private static func number(_ error: BrokerError) -> Int {
        switch error {
        case .notFound: 0
        case .mismatch: 1
        case .reservedName: 2
        case .badName: 3
        case .unroutable: 4
        case .consumerInUse: 5
        case .consumerNotFound: 6
        case .unknownDelivery: 7
        case .locked: 8
        case .inUse: 9
        case .queueFull: 10
        case .badArgument: 11
        case .limit: 12
        case .deleted: 13
        case .offsetOutOfRange: 14
        case .transactionTooLarge: 15
        case .overloaded: 16
        case .storage: 17
        case .damaged: 18
        case .permanent: 19
        case .backup(.busy): 20
        case .backup(.exists): 21
        case .backup(.unsuitable): 22
        case .backup(.notPermitted): 23
        case .backup(.noRoom): 24
        case .backup(.failed): 25
        case .backup(.cancelled): 26
        case .worker(.undefined): 27
        case .worker(.notFound): 28
        case .worker(.unsuitable): 29
        case .worker(.busy): 30
        case .worker(.misconfigured): 31
        case .worker(.notPermitted): 32
        case .stopped: 33
        case .inequivalent: 34
        case .heldTooLong: 35
        case .accessRefused: 36
        case .quota: 37
        case .busy: 38
        case .forbidden: 39
        case .unsupported: 40
        }
    }

    @Test func everyCodeOfTheBrokerIsInTheTableOfErrors() throws {
        let page = try Page()
        let codes = try page.firstColumn("code")
        #expect(Set(codes).count == codes.count)
        #expect(BrokerError.examples.map(Self.number) == Array(0..<BrokerError.examples.count))
        for error in BrokerError.examples {
            let again = error.isRetryable ? "retry" : "final"
            #expect(page.text.contains("\n| `\(error.code)` | \(again) |"), "\(error.code) \(again)")
        }
    }

    @Test func everyCodeOfTheTableHasAVector() throws {
        let vectors = try Vectors()
        var codes = Set(try vectors.list("refusals").compactMap { $0["code"] as? String })
        for vector in try vectors.list("answers") {
            let answer = try #require(vector["answer"] as? [String: Any])
            if let code = answer["code"] as? String { codes.insert(code) }
        }
        let listed = try Page().firstColumn("code")
        #expect(listed.count > 20)
        #expect(listed.filter { !codes.contains($0) } == [])
        #expect(codes.filter { !listed.contains($0) } == [])
    }

    @Test func theTableOfArgumentsIsThatOfTheBroker() throws {
        let page = try Page()
        #expect(try page.firstColumn("argument") == Argument.allCases.map(\.rawValue))
        for argument in Argument.allCases {
            let kinds = [
                argument.isOfQueues ? "queues" : "", argument.isOfTopics ? "topics" : "",
                argument.isOfExchanges ? "policies for exchanges" : "",
            ]
            let of = kinds.filter { !$0.isEmpty }.joined(separator: ", ")
            let limited = argument.isOfPolicies ? of : "\(of), no policies"
            #expect(page.text.contains("\n| `\(argument.rawValue)` | \(limited) |"), "\(argument.rawValue)")
        }
    }

    @Test func theTableOfHeadersIsThatOfTheBroker() throws {
        #expect(try Page().firstColumn("header").sorted() == BrokerHeader.allCases.map(\.rawValue).sorted())
    }

    @Test func everyFeatureIsExplained() throws {
        let page = try Page()
        var bench = SessionBench()
        bench.feed("hello 1\n")
        bench.reply(.done, to: RequestID(.max - 5))
        let output = bench.output()
        let features = try #require(output.split(separator: "features=").last).dropLast().split(separator: ",")
        #expect(features.count > 20)
        #expect(features == features.sorted())
        for feature in features { #expect(page.text.contains("`\(feature)`"), "\(feature)") }
    }

    @Test func everyListingIsExplained() throws {
        let page = try Page()
        let line = try #require(page.text.split(separator: "\n").first { $0.hasPrefix("`list queues|") })
        for listing in Listing.allCases { #expect(line.contains(listing.rawValue), "\(listing.rawValue)") }
        #expect(line.contains("|workers|processes`"))
    }
}
