import ColaClient
import NIOCore
import Testing

/// Reading topics, alone and as members of a group, against a broker.
@Suite(.timeLimit(.minutes(5))) struct TopicTests {
    /// `count` records of partition 0, the body of each its offset.
    private func fill(_ client: Client, _ count: Int, from first: Int = 0, partition: Int = 0) async throws {
        var options = OutgoingMessage("")
        options.partition = partition
        let bodies = (first..<first + count).map { ByteBuffer(string: "\($0)") }
        try await client.publishBatch(bodies, to: .queue("log"), options: options)
    }

    private func take(_ count: Int, of reader: TopicReader) async throws -> [Int64] {
        var offsets: [Int64] = []
        var iterator = reader.makeAsyncIterator()
        while offsets.count < count, let record = try await iterator.next() { offsets.append(record.offset) }
        return offsets
    }

    @Test func aTopicIsReadFromWhereItIsSaidAndWithoutAcknowledgements() async throws {
        try await LiveServer.withClient { client in
            try await client.declareTopic("log")
            try await fill(client, 1000)
            // Ten times what may come ahead.
            #expect(try await take(1000, of: client.read("log", from: .first, prefetch: 100)) == Array(0..<1000))
            #expect(try await take(2, of: client.read("log", from: .offset(998))) == [998, 999])
            #expect(try await take(1, of: client.read("log", from: .last)) == [999])
            let time = try #require(try await client.peek("log").first?.timestampMilliseconds)
            #expect(try await take(1, of: client.read("log", from: .time(milliseconds: time))) == [0])
            let next = try await client.read("log")
            try await fill(client, 1, from: 1000)
            #expect(try await take(1, of: next) == [1000])
        }
    }

    @Test func onlyThePartitionsThatWereAskedForAreRead() async throws {
        try await LiveServer.withClient { client in
            try await client.declareTopic("log", partitions: 2)
            try await client.publish("zero", toPartition: 0)
            try await client.publish("one", toPartition: 1)
            let reader = try await client.read("log", from: .first, partitions: [1])
            var iterator = reader.makeAsyncIterator()
            let record = try #require(try await iterator.next())
            #expect(record.partition == 1)
            #expect(record.body == ByteBuffer(string: "one"))
        }
    }

    @Test func aReaderGoesOnWhereItSeeks() async throws {
        try await LiveServer.withClient { client in
            try await client.declareTopic("log")
            try await fill(client, 500)
            let reader = try await client.read("log", from: .first, prefetch: 50)
            #expect(try await take(10, of: reader) == Array(0..<10))
            try await reader.seek(to: .offset(400))
            #expect(try await take(100, of: reader) == Array(400..<500))
            try await reader.seek(to: .first)
            #expect(try await take(60, of: reader) == Array(0..<60))
            let beyond = await error { try await reader.seek(to: .offset(501)) }
            #expect(beyond?.code == .mismatch)
            #expect(try await take(1, of: reader) == [60])
        }
    }

    /// What was on its way from before a seek comes between its request and its answer, and so may what is after it.
    @Test func recordsFromBeforeASeekAreNotTakenForThoseAfterIt() async throws {
        try await FakeServer.run { line, _ in
            func records(_ offsets: Int...) -> String { offsets.map { "msg 1 0 \($0) 1\nx\n" }.joined() }
            let ok = "ok \(tag(of: line))\n"
            if line.hasPrefix("consume") { return [.text(ok + records(7, 8, 9))] }
            if line.hasPrefix("seek 1 3 ") { return [.text(records(10, 11, 3) + ok + records(4))] }
            if line.hasPrefix("seek 1 100 ") { return [.text(records(5, 6) + ok + records(100))] }
            if line.hasPrefix("seek 1 999 ") {
                return [.text(records(101) + "err \(tag(of: line)) mismatch final no\n" + records(102))]
            }
            return []
        } _: { server in
            try await withClient(url: server.url) { client in
                let reader = try await client.read("log")
                #expect(try await take(1, of: reader) == [7])
                try await reader.seek(to: .offset(3))
                #expect(try await take(2, of: reader) == [3, 4])
                try await reader.seek(to: .offset(100))
                #expect(try await take(1, of: reader) == [100])
                #expect(await error { try await reader.seek(to: .offset(999)) }?.code == .mismatch)
                #expect(try await take(2, of: reader) == [101, 102])
            }
        }
    }

    @Test func aQueueIsNotRead() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            let refused = await error { _ = try await client.read("q") }
            #expect(refused?.code == .mismatch)
        }
    }

    @Test func membersShareThePartitionsAndHearOfEveryChange() async throws {
        try await LiveServer.withClient { client in
            try await client.declareTopic("log", partitions: 2)
            for partition in 0..<2 { try await client.publish("p\(partition)", toPartition: partition) }
            let first = try await client.join("g", of: "log")
            var events = first.makeAsyncIterator()
            let alone = try #require(try await assignment(&events))
            #expect(alone.partitions == [0: 0, 1: 0])
            var records: [StoredMessage] = []
            for _ in 0..<2 { records.append(try #require(try await record(&events))) }
            for record in records { try await first.commit(record) }

            let second = try await client.join("g", of: "log")
            var others = second.makeAsyncIterator()
            let theirs = try #require(try await assignment(&others))
            let ours = try #require(try await assignment(&events))
            #expect(ours.generation > alone.generation)
            #expect(Set(theirs.partitions.keys).union(ours.partitions.keys) == [0, 1])
            #expect(Set(theirs.partitions.keys).isDisjoint(with: ours.partitions.keys))
            #expect(theirs.partitions.values.allSatisfy { $0 == 1 })

            // What is assigned to the other is the other's to commit.
            let lost = try #require(theirs.partitions.keys.first)
            let refused = await error { try await first.commit(5, partition: lost) }
            #expect(refused?.code == .mismatch)
            #expect(
                refused?.message == "partition \(lost) of 'log' is not assigned to this member of 'g' any more; "
                    + "leave the commit to the member that reads it now")

            second.leave()
            let again = try #require(try await assignment(&events))
            #expect(again.partitions == [0: 1, 1: 1])
        }
    }

    @Test func aMemberWaitsNoLongerThanItIsTold() async throws {
        try await LiveServer.withClient { client in
            try await client.declareTopic("log")
            let member = try await client.join("g", of: "log")
            guard case .event(.assigned) = try await member.next(within: 60_000) else {
                Issue.record("not assigned")
                return
            }
            guard case .idle = try await member.next(within: 1) else {
                Issue.record("not idle")
                return
            }
            #expect(!member.isReady)
            try await fill(client, 1)
            guard case .event(.record(let record)) = try await member.next(within: 60_000) else {
                Issue.record("no record")
                return
            }
            #expect(record.offset == 0)
            member.leave()
            guard case .ended = try await member.next(within: 60_000) else {
                Issue.record("not ended")
                return
            }
        }
    }

    @Test func aGroupGoesOnWhereItHasCommitted() async throws {
        try await LiveServer.run { server in
            try await withClient(url: server.url) { client in
                try await client.declareTopic("log")
                try await fill(client, 5)
                let member = try await client.join("g", of: "log")
                var events = member.makeAsyncIterator()
                _ = try await assignment(&events)
                _ = try await record(&events)
                try await member.commit(try #require(try await record(&events)))
            }
            try await withClient(url: server.url) { client in
                let member = try await client.join("g", of: "log")
                var events = member.makeAsyncIterator()
                #expect(try await assignment(&events)?.partitions == [0: 2])
                #expect(try await record(&events)?.offset == 2)
                #expect(try await take(1, of: client.read("log", group: "g")) == [2])
            }
        }
    }

    // MARK: Steps

    private func assignment(_ events: inout GroupMember.Iterator) async throws -> Assignment? {
        while let event = try await events.next() {
            if case .assigned(let assignment) = event { return assignment }
        }
        return nil
    }

    private func record(_ events: inout GroupMember.Iterator) async throws -> StoredMessage? {
        while let event = try await events.next() {
            if case .record(let record) = event { return record }
        }
        return nil
    }
}

extension Client {
    fileprivate func publish(_ text: String, toPartition partition: Int) async throws {
        var message = OutgoingMessage(text)
        message.partition = partition
        try await publish(message, to: .queue("log"))
    }
}
