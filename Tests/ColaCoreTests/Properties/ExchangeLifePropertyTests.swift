import ColaTesting
import Testing

@testable import ColaCore

/// Exchanges of any kind of life, bindings between them in any shape, queues that come and go, and restarts: what is
/// there is what the plain rules say.
@Suite struct ExchangeLifePropertyTests {
    private static let exchanges = ["a", "b", "c", "d"]
    private static let queues = ["q", "r"]

    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(30))
    func whatIsThereIsWhatTheRulesSay(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let scene = Scene(queues: [])
        var channel = scene.attach()
        var model = Model()
        for step in 0..<300 {
            let name = Self.exchanges.randomElement(using: &random) ?? ""
            let queue = Self.queues.randomElement(using: &random) ?? ""
            switch Int.random(in: 0..<16, using: &random) {
            case 0..<4:
                let exchange = ExchangeDeclaration(
                    name: name, kind: .fanout, isDurable: .random(using: &random), isAutoDelete: .random(using: &random)
                )
                scene.broker.send(.declareExchange(exchange), from: channel)
                if model.exchanges[name] == nil { model.exchanges[name] = exchange }
            case 4..<6:
                let isDurable = Bool.random(using: &random)
                scene.declare(queue: queue, isDurable: isDurable, from: channel)
                if model.queues[queue] == nil { model.queues[queue] = isDurable }
            case 6..<11:
                let isToExchange = Bool.random(using: &random)
                let to = isToExchange ? Self.exchanges.randomElement(using: &random) ?? "" : queue
                let binding = BindingDefinition(
                    source: name, target: isToExchange ? .exchange : .queue, destination: to, routingKey: "")
                scene.broker.send(.bind(binding), from: channel)
                if model.hasBothEnds(binding) { model.bindings.insert(binding) }
            case 11, 12:
                let sorted = model.bindings.sorted { "\($0)" < "\($1)" }
                guard let binding = sorted.randomElement(using: &random) else { continue }
                scene.broker.send(.unbind(binding), from: channel)
                model.remove([binding])
            case 13:
                scene.broker.send(.deleteExchange(name: name, ifUnused: false), from: channel)
                model.removeExchange(name)
            case 14:
                scene.broker.send(.deleteQueue(name: queue, ifUnused: false, ifEmpty: false), from: channel)
                model.queues[queue] = nil
                model.remove(model.bindings.filter { $0.target == .queue && $0.destination == queue })
            default:
                scene.broker.commit()
                scene.broker.crash()
                channel = scene.attach()
                model.restart()
            }
            scene.broker.commit()
            let names = scene.rows(.exchanges).compactMap { $0.text("name") }.filter { !$0.hasPrefix("amq.") }
            try #require(names == model.exchanges.keys.sorted(), "step \(step), seed \(seed)")
            let bindings = scene.rows(.bindings).map { row in
                ["source", "to", "destination"].compactMap { row.text($0) }.joined(separator: " ")
            }
            let expected = model.bindings.map { "\($0.source) \($0.target.rawValue) \($0.destination)" }
            try #require(
                Set(bindings) == Set(expected) && bindings.count == expected.count, "step \(step), seed \(seed)")
        }
    }

    /// The rules, each binding looked at each time.
    private struct Model {
        var exchanges: [String: ExchangeDeclaration] = [:]
        /// Each with whether it is durable.
        var queues: [String: Bool] = [:]
        var bindings: Set<BindingDefinition> = []

        func hasBothEnds(_ binding: BindingDefinition) -> Bool {
            exchanges[binding.source] != nil
                && (binding.target == .queue
                    ? queues[binding.destination] != nil : exchanges[binding.destination] != nil)
        }

        mutating func remove(_ gone: Set<BindingDefinition>) {
            bindings.subtract(gone)
            for source in Set(gone.map(\.source)) {
                guard exchanges[source]?.isAutoDelete == true, !bindings.contains(where: { $0.source == source }) else {
                    continue
                }
                removeExchange(source)
            }
        }

        mutating func removeExchange(_ name: String) {
            guard exchanges.removeValue(forKey: name) != nil else { return }
            remove(bindings.filter { $0.source == name || $0.target == .exchange && $0.destination == name })
        }

        /// Nobody unbinds what goes with the process, so what ends with its last binding does not end of that.
        mutating func restart() {
            exchanges = exchanges.filter(\.value.isDurable)
            queues = queues.filter(\.value)
            bindings = bindings.filter(hasBothEnds)
        }
    }
}
