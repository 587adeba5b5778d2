import ColaWorkers
import OrderedCollections
import Testing

/// Settings that only workers of mode `stream` have.
struct StreamDefinitionTests {
    private func read(_ fields: OrderedDictionary<String, String>) throws -> WorkerDefinition {
        let node = DefinitionNode.mapping(["w": .mapping(fields.mapValues(DefinitionNode.scalar))])
        return try #require(try WorkerDefinition.all(from: node).first)
    }

    private func problem(_ fields: OrderedDictionary<String, String>) -> String {
        do {
            _ = try read(fields)
            return "none"
        } catch {
            return "\(error)"
        }
    }

    private let least: OrderedDictionary = ["command": "run", "queue": "q", "mode": "stream"]

    private func with(_ more: OrderedDictionary<String, String>) -> OrderedDictionary<String, String> {
        least.merging(more) { _, new in new }
    }

    @Test func theSimplestWorkerNeedsNoneOfThem() throws {
        let definition = try read(least)
        #expect(definition.format == .json && definition.ready == .started && definition.prefetch == 10)
    }

    @Test func whatIsWrittenComesBack() throws {
        let definition = try read(
            with(["format": "native", "ready": "announced", "prefetch": "50", "result-queue": "out"]))
        #expect(definition.format == .native && definition.ready == .announced && definition.resultQueue == "out")
        #expect(try WorkerDefinition.all(from: WorkerDefinition.node(of: [definition])) == [definition])
    }

    @Test func whatDoesNotFitIsNamed() {
        #expect(problem(with(["format": "xml"])).contains("format is 'xml'; it must be json or native"))
        #expect(problem(with(["ready": "soon"])).contains("ready is 'soon'; it must be started or announced"))
        #expect(problem(with(["mode": "exec", "format": "json"])).contains("format is for mode stream"))
        #expect(problem(with(["mode": "client", "ready": "started"])).contains("ready is for mode stream"))
        #expect(problem(with(["mode": "client", "result-queue": "r"])).contains("is for mode exec and stream"))
    }

    @Test func anotherFormatNeedsAnotherProcessAndAnotherPrefetchDoesNot() throws {
        let old = try read(least)
        #expect(try read(with(["format": "native"])).needsRestart(since: old))
        #expect(
            try !read(with(["prefetch": "99", "ready": "announced", "result-queue": "r"])).needsRestart(since: old))
    }
}
