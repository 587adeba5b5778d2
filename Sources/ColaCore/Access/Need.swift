/// What somebody must be allowed to do for a request to be carried out.
package enum Need: Equatable, Sendable {
    package enum Operation: String, CaseIterable, Sendable {
        case configure
        case write
        case read
    }

    /// A queue or topic, or an exchange, of the virtual host that the channel works in.
    package enum Resource: Hashable, Sendable {
        case queue(String)
        case exchange(String)

        package var name: String {
            switch self {
            case .queue(let name): name
            // What RabbitMQ calls the exchange without a name, where it asks for permissions.
            case .exchange(""): "amq.default"
            case .exchange(let name): name
            }
        }

        package var kind: BrokerError.Kind {
            switch self {
            case .queue: .queue
            case .exchange: .exchange
            }
        }
    }

    case permission(Operation, Resource)
    /// With this routing key, where the exchange is one of type `topic`.
    case topic(Operation, exchange: String, routingKey: String)
    /// Any permissions in the virtual host.
    case host
    case tag(UserDefinition.Tag)
}

extension Request {
    /// What a user must be allowed for it, beyond what he is asked for at the time he comes in.
    ///
    /// A switch without a default: a new request does not compile before somebody has decided.
    ///
    /// Source: RabbitMQ, "Access control", the table in "How permissions work"; for what it does not know, the same
    ///         idea: what makes or changes is `configure`, what puts in is `write`, what takes out is `read`.
    package var needs: [Need] {
        switch self {
        case .publish(let publish):
            [.permission(.write, .exchange(publish.exchange))]
                + ([publish.routingKey] + publish.moreKeys).map {
                    .topic(.write, exchange: publish.exchange, routingKey: $0)
                }
        // To ask what there is takes nothing.
        case .declareQueue(let declaration):
            declaration.isPassive || declaration.isOfAnswers
                ? [.host] : [.permission(.configure, .queue(declaration.name))]
        case .declareTopic(let name, _, _), .deleteQueue(let name, _, _), .deleteTopic(let name),
            .deleteGroup(let name, _):
            [.permission(.configure, .queue(name))]
        case .alter(let name, let set, _):
            [.permission(.configure, .queue(name))] + Self.needs(ofDeadLetters: set, from: name)
        case .declareExchange(let declaration):
            declaration.isPassive ? [.host] : [.permission(.configure, .exchange(declaration.name))]
        case .deleteExchange(let name, _): [.permission(.configure, .exchange(name))]
        case .bind(let binding), .unbind(let binding):
            [
                .permission(
                    .write, binding.target == .queue ? .queue(binding.destination) : .exchange(binding.destination)),
                .permission(.read, .exchange(binding.source)),
                .topic(.read, exchange: binding.source, routingKey: binding.routingKey),
            ]
        case .purge(let name), .get(let name, _), .peek(let name, _, _, _, _), .commitOffset(let name, _, _, _):
            [.permission(.read, .queue(name))]
        case .consume(let consume):
            consume.isOfAnswers ? [.host] : [.permission(.read, .queue(consume.name))]
        case .redrive(let name, let target, _, _, _):
            // What it puts into queues goes there by their names, as with the exchange without one.
            [.permission(.read, .queue(name)), .permission(.write, .exchange(""))]
                + (target.map { [.permission(.write, .queue($0))] } ?? [])
        case .setPolicy, .clearPolicy: [.host, .tag(.policymaker)]
        case .list(.users), .list(.passwordHashes), .list(.permissions), .list(.topicPermissions):
            [.tag(.administrator)]
        case .list: [.host]
        case .describe(.user): [.tag(.administrator)]
        case .describe, .why, .enter: [.host]
        case .transaction(let requests): requests.flatMap { $0.1.needs }
        case .declareVirtualHost, .deleteVirtualHost, .setUser, .deleteUser, .setPermission, .clearPermission,
            .setTopicPermission, .clearTopicPermission, .backUp:
            [.tag(.administrator)]
        // Of a worker's own process: whoever runs the workers sees to that.
        case .workers(.child): []
        case .workers: [.tag(.administrator)]
        // Each of the topics that it is about is looked at by itself, and answered for.
        case .topic, .group: [.host]
        // About what the channel has or holds itself, or about nothing.
        case .grant, .cancel, .seek, .settle, .prefetch, .recover, .reserve, .rollback, .statistics, .barrier, .refuse:
            []
        }
    }

    /// The same of what it asks for besides, where what it declares is not there yet.
    package var needsIfNew: [Need] {
        switch self {
        case .declareQueue(let declaration) where !declaration.isPassive:
            Self.needs(ofDeadLetters: declaration.arguments, from: declaration.name)
        case .declareExchange(let declaration) where !declaration.isPassive:
            Self.needs(of: declaration)
        default: []
        }
    }

    /// What no binding takes is published to the alternate from the exchange.
    private static func needs(of declaration: ExchangeDeclaration) -> [Need] {
        guard let alternate = declaration.alternate else { return [] }
        return [.permission(.read, .exchange(declaration.name)), .permission(.write, .exchange(alternate))]
    }

    /// Where dead letters go is published to from the queue.
    private static func needs(ofDeadLetters arguments: Arguments, from queue: String) -> [Need] {
        guard let exchange = arguments.deadLetterExchange else { return [] }
        return [.permission(.read, .queue(queue)), .permission(.write, .exchange(exchange))]
    }
}
