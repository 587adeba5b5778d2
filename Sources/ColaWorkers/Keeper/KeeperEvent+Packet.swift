extension KeeperEvent {
    package var packet: [UInt8] {
        var writer: PacketWriter
        switch self {
        case .ready(let residentBytes):
            writer = PacketWriter(Packet.Kind.ready)
            writer.write(residentBytes)
        case .started(let instance, let process, let startTime):
            writer = PacketWriter(Packet.Kind.started)
            writer.write(instance)
            writer.write(process)
            writer.write(startTime)
        case .failed(let instance, let failure):
            writer = PacketWriter(Packet.Kind.failed)
            writer.write(instance)
            writer.write(failure.step.rawValue)
            writer.write(failure.error)
            writer.write(failure.description)
        case .exited(let instance, let status, let usage):
            writer = PacketWriter(Packet.Kind.exited)
            writer.write(instance)
            switch status {
            case .code(let code):
                writer.write(UInt8(0))
                writer.write(code)
            case .signal(let number, let isCoreDumped):
                writer.write(UInt8(isCoreDumped ? 2 : 1))
                writer.write(number)
            }
            writer.write(usage.userMicroseconds)
            writer.write(usage.systemMicroseconds)
            writer.write(usage.residentBytesMost)
        case .swept(let instance, let survivorsKilled):
            writer = PacketWriter(Packet.Kind.swept)
            writer.write(instance)
            writer.write(UInt32(clamping: survivorsKilled))
        case .reniced(let instance, let error):
            writer = PacketWriter(Packet.Kind.reniced)
            writer.write(instance)
            writer.write(error)
        }
        return writer.bytes
    }

    /// - Throws: if `packet` is not exactly one event.
    package init(packet: [UInt8]) throws(Packet.Malformed) {
        var reader = PacketReader(packet)
        switch try reader.integer("kind", as: UInt8.self) {
        case Packet.Kind.ready: self = .ready(residentBytes: try reader.integer("resident bytes"))
        case Packet.Kind.started:
            self = .started(
                try reader.instance(), process: try reader.integer("process"),
                startTime: try reader.integer("start time"))
        case Packet.Kind.failed:
            let instance = try reader.instance()
            let code: UInt8 = try reader.integer("step")
            guard let step = StartFailure.Step(rawValue: code) else {
                throw Packet.Malformed(description: "there is no step \(code)")
            }
            let error: Int32 = try reader.integer("error")
            let failure = StartFailure(step: step, error: error, description: try reader.text("sentence"))
            self = .failed(instance, failure)
        case Packet.Kind.exited:
            let instance = try reader.instance()
            let status = try ExitStatus(from: &reader)
            let usage = ResourceUsage(
                userMicroseconds: try reader.integer("user time"),
                systemMicroseconds: try reader.integer("system time"),
                residentBytesMost: try reader.integer("resident bytes"))
            self = .exited(instance, status, usage)
        case Packet.Kind.swept:
            let instance = try reader.instance()
            self = .swept(instance, survivorsKilled: Int(try reader.integer("survivors", as: UInt32.self)))
        case Packet.Kind.reniced:
            self = .reniced(try reader.instance(), error: try reader.integer("error"))
        case let kind: throw Packet.Malformed(description: "there is no event \(kind)")
        }
        try reader.end()
    }
}

extension ExitStatus {
    fileprivate init(from reader: inout PacketReader) throws(Packet.Malformed) {
        let kind: UInt8 = try reader.integer("kind of exit")
        let number: Int32 = try reader.integer("exit")
        switch kind {
        case 0: self = .code(number)
        case 1, 2: self = .signal(number, isCoreDumped: kind == 2)
        default: throw Packet.Malformed(description: "there is no kind of exit \(kind)")
        }
    }
}
