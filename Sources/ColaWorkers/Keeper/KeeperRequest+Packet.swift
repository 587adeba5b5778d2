extension KeeperRequest {
    /// The request as a packet. A `spawn` may be larger than ``Packet/bytesMax``; then it must not be sent.
    package var packet: [UInt8] {
        switch self {
        case .spawn(let instance, let spec):
            var writer = PacketWriter(Packet.Kind.spawn)
            writer.write(instance)
            spec.write(to: &writer)
            return writer.bytes
        case .signal(let instance, let number, let scope):
            var writer = PacketWriter(Packet.Kind.signal)
            writer.write(instance)
            writer.write(number)
            writer.write(scope.rawValue)
            return writer.bytes
        case .renice(let instance, let value):
            var writer = PacketWriter(Packet.Kind.renice)
            writer.write(instance)
            writer.write(value)
            return writer.bytes
        }
    }

    /// - Throws: if `packet` is not exactly one request.
    package init(packet: [UInt8]) throws(Packet.Malformed) {
        var reader = PacketReader(packet)
        switch try reader.integer("kind", as: UInt8.self) {
        case Packet.Kind.spawn:
            self = .spawn(try reader.instance(), try ProcessSpec(from: &reader))
        case Packet.Kind.signal:
            let instance = try reader.instance()
            let number: Int32 = try reader.integer("signal")
            // 0 asks whether there is somebody, which the events say; 64 is the last of Linux.
            guard (1...64).contains(number) else {
                throw Packet.Malformed(description: "signal \(number) is not between 1 and 64")
            }
            let code: UInt8 = try reader.integer("scope")
            guard let scope = SignalScope(rawValue: code) else {
                throw Packet.Malformed(description: "there is no scope \(code)")
            }
            self = .signal(instance, number: number, scope)
        case Packet.Kind.renice:
            let instance = try reader.instance()
            let value: Int32 = try reader.integer("niceness")
            guard (-20...19).contains(value) else {
                throw Packet.Malformed(description: "niceness \(value) is not between -20 and 19")
            }
            self = .renice(instance, value: value)
        case let kind: throw Packet.Malformed(description: "there is no request \(kind)")
        }
        try reader.end()
    }
}

extension ProcessSpec {
    fileprivate func write(to writer: inout PacketWriter) {
        writer.write(executable)
        writer.write(arguments)
        writer.write(environment)
        writer.write(directory)
        writer.write(user)
        writer.write(group)
        writer.write(groups)
        writer.write(umask)
        writer.write(nice)
        writer.write(limits.memoryBytes)
        writer.write(limits.cpuSeconds)
        writer.write(limits.openFiles)
        writer.write(limits.coreBytes)
        writer.write(limits.processes)
        writer.write(hasNoNewPrivileges)
    }

    fileprivate init(from reader: inout PacketReader) throws(Packet.Malformed) {
        self.init(
            executable: try reader.text("executable"), arguments: try reader.texts("arguments"),
            environment: try reader.texts("environment"), directory: try reader.optionalText("directory"),
            user: try reader.optionalInteger("user"), group: try reader.optionalInteger("group"),
            groups: try reader.optionalNumbers("groups"), umask: try reader.optionalInteger("umask"),
            nice: try reader.integer("nice"),
            limits: Limits(
                memoryBytes: try reader.optionalInteger("memory limit"),
                cpuSeconds: try reader.optionalInteger("CPU limit"),
                openFiles: try reader.optionalInteger("limit of open files"),
                coreBytes: try reader.optionalInteger("limit of core files"),
                processes: try reader.optionalInteger("limit of processes")),
            hasNoNewPrivileges: try reader.flag("no new privileges"))
    }
}
