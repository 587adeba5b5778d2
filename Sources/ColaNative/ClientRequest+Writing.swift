internal import ColaCore
package import NIOCore

// Each request as its line.
extension ClientRequest {
    /// Appends the line of the request with its LF, and the bodies of a batch.
    package func write(to buffer: inout ByteBuffer, tag: Int64? = nil) {
        writeVerbAndWords(to: &buffer)
        if let tag {
            buffer.writeStaticString(" t=")
            Decimal.write(tag, to: &buffer)
        }
        writeOptions(to: &buffer)
        buffer.writeInteger(UInt8(ascii: "\n"))
        guard case .publishBatch(_, _, _, _, let bodies) = self else { return }
        for body in bodies {
            Decimal.write(body.readableBytes, to: &buffer)
            buffer.writeInteger(UInt8(ascii: "\n"))
            buffer.writeImmutableBuffer(body)
            buffer.writeInteger(UInt8(ascii: "\n"))
        }
    }

    private func writeVerbAndWords(to buffer: inout ByteBuffer) {
        switch self {
        case .hello: buffer.writeStaticString("hello 1")
        case .ping: buffer.writeStaticString("ping")
        case .beat: buffer.writeStaticString("beat")
        case .quit: buffer.writeStaticString("quit")
        case .declareQueue(let name, _): words("declare queue", name, to: &buffer)
        case .declareTopic(let name, _, _): words("declare topic", name, to: &buffer)
        case .declareExchange(let name, _): words("declare exchange", name, to: &buffer)
        case .declareVirtualHost(let name, _): words("declare vhost", name, to: &buffer)
        case .delete(let kind, let name, _, _): words("delete", kind, name, to: &buffer)
        case .deleteGroup(let topic, let group): words("delete group", topic, group, to: &buffer)
        case .alter(let name, _, _): words("alter", name, to: &buffer)
        case .policy(let policy): words("policy", policy.name, to: &buffer)
        case .unpolicy(let name): words("unpolicy", name, to: &buffer)
        case .user(let name, _): words("user", name, to: &buffer)
        case .permit(let name, _): words("permit", name, to: &buffer)
        case .unpermit(let name, _): words("unpermit", name, to: &buffer)
        case .bind(let binding): words("bind", binding.exchange, binding.name, to: &buffer)
        case .unbind(let binding): words("unbind", binding.exchange, binding.name, to: &buffer)
        case .purge(let name): words("purge", name, to: &buffer)
        case .redrive(let redrive): words("redrive", redrive.name, to: &buffer)
        case .publishBatch(let routingKey, _, _, _, let bodies):
            words("pubs", routingKey, "\(bodies.count)", to: &buffer)
        case .consume(let consume): words("consume", consume.name, to: &buffer)
        case .credit(let consumer, let count): buffer.writeString("credit \(consumer) \(count)")
        case .cancel(let consumer): buffer.writeString("cancel \(consumer)")
        case .seek(let consumer, let position, _): words("seek", "\(consumer)", position, to: &buffer)
        case .acknowledge(let what, let deliveries, _): Self.writeAcknowledgement(what, deliveries, to: &buffer)
        case .fail(let deliveries, _, _):
            let (first, last) = (deliveries.lowerBound, deliveries.upperBound)
            words("fail", first == last ? "\(first)" : "\(first)-\(last)", to: &buffer)
        case .get(let name, _): words("get", name, to: &buffer)
        case .peek(let name, _, _, _, _): words("peek", name, to: &buffer)
        case .commit(let topic, let group, let offset, _): words("commit", topic, group, "\(offset)", to: &buffer)
        case .list(let what): words("list", what, to: &buffer)
        case .describe(let kind, let name): words("describe", kind, name, to: &buffer)
        case .describeGroup(let topic, let group): words("describe group", topic, group, to: &buffer)
        case .why(let name, nil, _): words("why", name, to: &buffer)
        case .why(let name, let offset?, _): words("why", name, "\(offset)", to: &buffer)
        case .stat: buffer.writeStaticString("stat")
        case .backup(let path, _, _): words("backup", path, to: &buffer)
        case .worker(let operation, let target): words("worker", operation.word, target, to: &buffer)
        case .reload: buffer.writeStaticString("reload")
        case .childToken: buffer.writeStaticString("child token")
        case .childEnded(let processID, _): buffer.writeString("child ended \(processID)")
        case .logs(let logs):
            if let target = logs.target { words("logs", target, to: &buffer) } else { words("logs", to: &buffer) }
        }
    }

    private func writeOptions(to buffer: inout ByteBuffer) {
        switch self {
        case .hello(let hello):
            option("user", hello.user, to: &buffer)
            option("password", hello.password, to: &buffer)
            option("token", hello.token, to: &buffer)
            option("vhost", hello.virtualHost, to: &buffer)
            option("client", hello.client, to: &buffer)
            if hello.heartbeat > 0 { option("heartbeat", hello.heartbeat, to: &buffer) }
            if !hello.need.isEmpty { option("need", hello.need.joined(separator: ","), to: &buffer) }
        case .declareQueue(_, let queue):
            if !queue.isDurable { option("durable", "no", to: &buffer) }
            option("exclusive", queue.isExclusive, to: &buffer)
            option("auto-delete", queue.isAutoDelete, to: &buffer)
            arguments(queue.arguments, to: &buffer)
        case .declareTopic(_, let partitions, let arguments):
            option("partitions", partitions, to: &buffer)
            self.arguments(arguments, to: &buffer)
        case .declareExchange(_, let exchange):
            option("type", exchange.type, to: &buffer)
            option("alternate", exchange.alternate, to: &buffer)
            if !exchange.isDurable { option("durable", "no", to: &buffer) }
            option("auto-delete", exchange.isAutoDelete, to: &buffer)
            option("internal", exchange.isInternal, to: &buffer)
            option("delayed", exchange.isDelayed, to: &buffer)
            option("hash-header", exchange.hashHeader, to: &buffer)
            option("hash-property", exchange.hashProperty, to: &buffer)
            option("recent-history-length", exchange.historyLength, to: &buffer)
        case .declareVirtualHost(_, let options), .user(_, let options), .permit(_, let options),
            .unpermit(_, let options):
            arguments(options, to: &buffer)
        case .delete(_, _, let ifUnused, let ifEmpty):
            option("if-unused", ifUnused, to: &buffer)
            option("if-empty", ifEmpty, to: &buffer)
        case .alter(_, let set, let clear):
            arguments(set, to: &buffer)
            if !clear.isEmpty { option("clear", clear.joined(separator: ","), to: &buffer) }
        case .policy(let policy):
            option("pattern", policy.pattern, to: &buffer)
            option("to", policy.to, to: &buffer)
            option("priority", policy.priority, to: &buffer)
            arguments(policy.arguments, to: &buffer)
        case .bind(let binding), .unbind(let binding):
            option("key", binding.key, to: &buffer)
            if binding.isToExchange { option("to", "exchange", to: &buffer) }
            option("match", binding.match, to: &buffer)
            headers(binding.headers, to: &buffer)
        case .redrive(let redrive): options(redrive, to: &buffer)
        case .publishBatch(_, let exchange, let isMandatory, let properties, _):
            option("x", exchange, to: &buffer)
            if !isMandatory { option("mandatory", "no", to: &buffer) }
            properties.write(to: &buffer)
        case .consume(let consume): options(of: consume, to: &buffer)
        case .seek(_, _, let partition), .commit(_, _, _, let partition):
            option("partition", partition, to: &buffer)
        case .acknowledge(_, _, let delay): option("delay", delay, to: &buffer)
        case .fail(_, let attempt, let consequence): options(of: attempt, consequence, to: &buffer)
        case .get(_, let ack): option("ack", ack, to: &buffer)
        case .why(_, _, let priority): option("priority", priority, to: &buffer)
        case .peek(_, let from, let count, let partition, let priority):
            option("from", from, to: &buffer)
            option("count", count, to: &buffer)
            option("partition", partition, to: &buffer)
            option("priority", priority, to: &buffer)
        case .backup(_, let isFile, let replaces):
            if isFile { option("as", "file", to: &buffer) }
            option("replace", replaces, to: &buffer)
        case .worker(.scale(let least, let most), _):
            option("min", least, to: &buffer)
            option("max", most, to: &buffer)
        case .worker(.kill(let signal), _): option("signal", signal, to: &buffer)
        case .reload(let isDryRun): option("dry-run", isDryRun, to: &buffer)
        case .childEnded(_, .code(let code)): option("code", code, to: &buffer)
        case .childEnded(_, .signal(let signal)): option("signal", signal, to: &buffer)
        case .worker(.nice(let value), _): option("value", value, to: &buffer)
        case .logs(let logs):
            option("from", logs.from, to: &buffer)
            option("count", logs.count, to: &buffer)
            option("since", logs.since, to: &buffer)
            option("stream", logs.stream, to: &buffer)
            option("wait", logs.wait, to: &buffer)
        default: break
        }
    }

    private func options(of attempt: Attempt, _ consequence: Consequence, to buffer: inout ByteBuffer) {
        option("end", attempt.end.rawValue, to: &buffer)
        switch consequence {
        case .retry(let delay, let attempts, let isDefault):
            option("then", "retry", to: &buffer)
            if delay > 0 { option("delay", delay, to: &buffer) }
            if attempts != .max { option("attempts", attempts, to: &buffer) }
            option("default", isDefault, to: &buffer)
        case .suspect(let attempts, let isDefault):
            option("then", "suspect", to: &buffer)
            if attempts != .max { option("attempts", attempts, to: &buffer) }
            option("default", isDefault, to: &buffer)
        case .giveBack: option("then", "give-back", to: &buffer)
        case .bury: option("then", "bury", to: &buffer)
        }
        if attempt.began.rawValue > 0 { option("began", attempt.began.rawValue, to: &buffer) }
        if attempt.ended.rawValue > 0 { option("ended", attempt.ended.rawValue, to: &buffer) }
        if !attempt.worker.isEmpty { option("worker", attempt.worker, to: &buffer) }
        if attempt.process > 0 { option("pid", attempt.process, to: &buffer) }
        if !attempt.detail.isEmpty { option("detail", attempt.detail, to: &buffer) }
        if !attempt.output.isEmpty { option("output", attempt.output.joined(separator: "\n"), to: &buffer) }
    }

    private func options(_ redrive: Redrive, to buffer: inout ByteBuffer) {
        option("to", redrive.target, to: &buffer)
        option("count", redrive.count, to: &buffer)
        option("rate", redrive.rate, to: &buffer)
        option("reason", redrive.reason, to: &buffer)
        option("from", redrive.queue, to: &buffer)
        option("end", redrive.end, to: &buffer)
        option("key", redrive.key, to: &buffer)
        option("text", redrive.text, to: &buffer)
        option("older-than", redrive.oldest, to: &buffer)
        option("younger-than", redrive.youngest, to: &buffer)
        headers(redrive.headers, to: &buffer)
    }

    private func headers(_ headers: [Pair], to buffer: inout ByteBuffer) {
        for header in headers {
            buffer.writeStaticString(" h.")
            Escape.write(header.name, to: &buffer, as: .headerName)
            buffer.writeStaticString("=")
            Escape.write(header.value, to: &buffer, as: .optionValue)
        }
    }

    private func options(of consume: Consume, to buffer: inout ByteBuffer) {
        option("c", consume.consumer, to: &buffer)
        option("from", consume.from, to: &buffer)
        option("group", consume.group, to: &buffer)
        option("join", consume.join, to: &buffer)
        option("partitions", consume.partitions.map { $0.map(String.init).joined(separator: ",") }, to: &buffer)
        switch consume.flow {
        case .prefetch(let count): option("prefetch", count, to: &buffer)
        case .credit(let count): option("credit", count, to: &buffer)
        case nil: break
        }
        option("ack", consume.ack, to: &buffer)
        option("priority", consume.priority, to: &buffer)
        option("exclusive", consume.isExclusive, to: &buffer)
    }

    /// `ack 7` or `ack 7-12`, without its LF.
    package static func writeAcknowledgement(
        _ what: Acknowledgement, _ deliveries: ClosedRange<Int64>, to buffer: inout ByteBuffer
    ) {
        switch what {
        case .ack: buffer.writeStaticString("ack ")
        case .nack: buffer.writeStaticString("nack ")
        case .reject: buffer.writeStaticString("reject ")
        }
        Decimal.write(deliveries.lowerBound, to: &buffer)
        if deliveries.lowerBound < deliveries.upperBound {
            buffer.writeInteger(UInt8(ascii: "-"))
            Decimal.write(deliveries.upperBound, to: &buffer)
        }
    }

    private func words(_ verb: StaticString, _ words: String..., to buffer: inout ByteBuffer) {
        buffer.writeStaticString(verb)
        for word in words {
            buffer.writeInteger(UInt8(ascii: " "))
            Escape.write(word, to: &buffer, as: .word)
        }
    }

    private func arguments(_ arguments: [Pair], to buffer: inout ByteBuffer) {
        for argument in arguments {
            buffer.writeString(" \(argument.name)=")
            Escape.write(argument.value, to: &buffer, as: .optionValue)
        }
    }

    private func option(_ name: StaticString, _ value: String?, to buffer: inout ByteBuffer) {
        guard let value else { return }
        buffer.writeInteger(UInt8(ascii: " "))
        buffer.writeStaticString(name)
        buffer.writeInteger(UInt8(ascii: "="))
        Escape.write(value, to: &buffer, as: .optionValue)
    }

    private func option(_ name: StaticString, _ number: (some BinaryInteger)?, to buffer: inout ByteBuffer) {
        option(name, number.map { "\($0)" }, to: &buffer)
    }

    /// What is `no` unless it is said.
    private func option(_ name: StaticString, _ truth: Bool, to buffer: inout ByteBuffer) {
        if truth { option(name, "yes", to: &buffer) }
    }
}
