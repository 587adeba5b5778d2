import ColaClient

/// What a file of definitions asks for, checked and in an order in which it can be done.
///
/// Nothing is sent before all of it was looked at, so that a file that is wrong in its last line changes nothing.
struct DefinitionsPlan {
    /// One thing to make.
    enum Step {
        case virtualHost(String, Client.VirtualHostSettings)
        case user(String, Client.UserSettings)
        case permission(user: String, host: String, configure: String, write: String, read: String)
        case topicPermission(user: String, host: String, exchange: String, write: String, read: String)
        case exchange(String, Client.ExchangeOptions)
        case queue(String, Client.QueueOptions)
        case topic(String, partitions: Int, arguments: [Client.Argument])
        case binding(String, to: String, Client.BindingOptions)
        case policy(Client.Policy)

        var isBinding: Bool { if case .binding = self { true } else { false } }

        /// What is said where the broker does not take it.
        var subject: String {
            switch self {
            case .virtualHost(let name, _): "virtual host '\(name)'"
            case .user(let name, _): "user '\(name)'"
            case .permission(let user, let host, _, _, _): "permissions of '\(user)' in '\(host)'"
            case .topicPermission(let user, let host, let exchange, _, _):
                "topic permissions of '\(user)' for '\(exchange)' in '\(host)'"
            case .exchange(let name, _): "exchange '\(name)'"
            case .queue(let name, _): "queue '\(name)'"
            case .topic(let name, _, _): "topic '\(name)'"
            case .binding(let source, let destination, _): "binding of '\(destination)' to '\(source)'"
            case .policy(let policy): "policy '\(policy.name)'"
            }
        }
    }

    /// Of the server itself.
    var steps: [Step] = []
    /// By virtual host, in the order in which it was named first.
    var hosts: [(name: String, steps: [Step])] = []
    /// What is left out or taken otherwise than the file says.
    var notes: [String] = []
    /// Why it cannot be taken.
    var problems: [String] = []

    var count: Int { steps.count + hosts.reduce(0) { $0 + $1.steps.count } }

    mutating func add(_ step: Step, to host: String) {
        if let index = hosts.firstIndex(where: { $0.name == host }) {
            hosts[index].steps.append(step)
        } else {
            hosts.append((host, [step]))
        }
    }
}
