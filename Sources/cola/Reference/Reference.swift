import ArgumentParser
import ColaAMQP
import ColaClient
import ColaCore
import ColaServer

/// `cola reference`: what the documentation is made of, as JSON. The commands themselves are what
/// `cola --experimental-dump-help` says; this has what no command declares.
///
/// Shape: `{version, settings: [{name, environment, value, default, kind, choices, reload, help}], errors: [{code,
///        retry, exit, amqp, reply, sentence}]}`; `default` and `choices` null where there are none; `reload`: whether
///        `cola reload` takes it on; `exit`: of a command that is refused so; `sentence` null where it depends on what
///        was asked for.
struct Reference: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference", abstract: "Settings and errors as JSON, for documentation.", shouldDisplay: false)

    func run() throws {
        let value = JSONValue.object([
            .init(name: "version", value: .text(Server.version)),
            .init(name: "settings", value: .list(Setting.all.map(Self.row))),
            .init(name: "errors", value: .list(BrokerError.examples.map(Self.row))),
        ])
        try Output.print(value.json)
    }

    private static func row(_ setting: Setting) -> JSONValue {
        let (kind, choices) = setting.kind.reference
        return .object([
            .init(name: "name", value: .text(setting.name)),
            .init(name: "environment", value: .text(setting.environmentName)),
            .init(name: "value", value: .text(setting.placeholder)),
            .init(name: "default", value: setting.defaultValue.map { .text($0) } ?? .null),
            .init(name: "kind", value: .text(kind)),
            .init(name: "choices", value: choices.map { .list($0.map { .text($0) }) } ?? .null),
            .init(name: "reload", value: .truth(!setting.needsRestart)),
            .init(name: "help", value: .text(setting.help)),
        ])
    }

    private static func row(_ error: BrokerError) -> JSONValue {
        let sentence = error.description
        let met = ColaError(
            code: ColaError.Code(rawValue: error.code), message: sentence, isRetryable: error.isRetryable)
        let reply = AMQPSession.replyCode(of: error)
        return .object([
            .init(name: "code", value: .text(error.code)),
            .init(name: "retry", value: .truth(error.isRetryable)),
            .init(name: "exit", value: .number("\(Failure(met).kind.rawValue)")),
            .init(name: "amqp", value: .number("\(reply.rawValue)")),
            .init(name: "reply", value: .text(reply.name)),
            .init(name: "sentence", value: sentence.isEmpty ? .null : .text(sentence)),
        ])
    }
}

extension Setting.Kind {
    /// What a value is, in a word, and all that it may be where that is a list.
    fileprivate var reference: (kind: String, choices: [String]?) {
        switch self {
        case .text: ("text", nil)
        case .yesNo: ("choice", ["yes", "no"])
        case .choice(let values): ("choice", values)
        case .number: ("number", nil)
        case .bytes: ("bytes", nil)
        case .listener: ("listener", nil)
        case .unbuiltListener: ("choice", ["off"])
        case .mode: ("mode", nil)
        }
    }
}
