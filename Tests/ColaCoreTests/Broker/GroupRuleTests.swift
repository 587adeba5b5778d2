import ColaCore
import ColaTesting
import Testing

/// Consumer groups: who reads which partition, and from where on.
@Suite(.timeLimit(.minutes(5))) struct GroupRuleTests {
    private func assigned(_ watcher: Watcher, _ channel: ChannelID, _ consumer: UInt64 = 1) -> [Int]? {
        watcher.assignment(channel, consumer)?.partitions.map(\.partition)
    }

    @Test(arguments: PartitionAssignor.allCases)
    func eachPartitionHasOneReaderAsMembersComeAndGo(strategy: PartitionAssignor) {
        let scene = Scene(topic: "t", partitions: 6)
        let watcher = Watcher(scene.broker)
        let producer = scene.attach()
        var members: [(ChannelID, UInt64)] = []
        var random = SplitMix64(seed: 7)
        var owned: [Watcher.Source: [Int]] = [:]
        var generation = 0
        var published = 0
        for step in 0..<60 {
            let grows = members.isEmpty || members.count < 8 && Int.random(in: 0...1, using: &random) == 0
            if grows {
                let channel = step % 2 == 0 || members.isEmpty ? scene.attach() : members[0].0
                scene.read("t", UInt64(step + 1), group: "g", join: strategy, by: channel)
                members.append((channel, UInt64(step + 1)))
            } else {
                let (channel, consumer) = members.remove(at: Int.random(in: 0..<members.count, using: &random))
                if step % 3 == 0 {
                    scene.broker.detach(channel)
                    members.removeAll { $0.0 == channel }
                } else {
                    scene.broker.send(.cancel(ConsumerTag(consumer)), from: channel)
                }
            }
            scene.settle()
            // Everybody is told, with the generation of this change; together they have each partition once.
            owned = [:]
            for (channel, consumer) in members {
                guard let told = watcher.assignment(channel, consumer) else {
                    Issue.record("member \(channel)-\(consumer) was told nothing")
                    continue
                }
                #expect(told.generation > generation)
                owned[.init(channel: channel, consumer: consumer)] = told.partitions.map(\.partition)
            }
            // A group that is empty and has no offsets is forgotten, and begins anew.
            generation = members.isEmpty ? 0 : generation + 1
            if !members.isEmpty { #expect(owned.values.joined().sorted() == Array(0..<6)) }
            // And only they are sent its records.
            for (channel, consumer) in members { _ = watcher.take(channel, consumer) }
            for partition in 0..<6 {
                scene.put("\(published)", to: "t", .init(partition: partition), from: producer)
                published += 1
            }
            scene.settle()
            var seen: [Int] = []
            for (channel, consumer) in members {
                let partitions = watcher.take(channel, consumer).map(\.partition)
                #expect(Set(partitions).isSubset(of: owned[.init(channel: channel, consumer: consumer)] ?? []))
                seen += partitions
            }
            if !members.isEmpty { #expect(seen.sorted() == Array(0..<6)) }
        }
    }

    @Test func strategiesShareOutAsTheySay() {
        let expected: [PartitionAssignor: [[Int]]] = [
            .range: [[0, 1, 2], [3, 4]], .roundRobin: [[0, 2, 4], [1, 3]],
        ]
        for (strategy, shares) in expected {
            let scene = Scene(topic: "t", partitions: 5)
            let watcher = Watcher(scene.broker)
            let channel = scene.attach()
            scene.read("t", 1, group: "g", join: strategy, by: channel)
            #expect(assigned(watcher, channel) == [0, 1, 2, 3, 4])
            scene.read("t", 2, group: "g", join: strategy, by: channel)
            #expect([assigned(watcher, channel, 1), assigned(watcher, channel, 2)] == shares)
        }
        // Sticky leaves everything where it is that need not move.
        let scene = Scene(topic: "t", partitions: 6)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        scene.read("t", 1, group: "g", join: .sticky, by: channel)
        let first = assigned(watcher, channel, 1) ?? []
        scene.read("t", 2, group: "g", join: .sticky, by: channel)
        let kept = assigned(watcher, channel, 1) ?? []
        #expect(first.count == 6 && kept.count == 3)
        scene.read("t", 3, group: "g", join: .sticky, by: channel)
        #expect(Set(assigned(watcher, channel, 1) ?? [9]).isSubset(of: kept))
    }

    @Test func moreMembersThanPartitionsLeavesSomeWithNothing() {
        let scene = Scene(topic: "t", partitions: 1)
        let watcher = Watcher(scene.broker)
        let (first, second) = (scene.attach(), scene.attach())
        scene.read(group: "g", join: .range, by: first)
        #expect(watcher.assignment(first)?.generation == 1)
        scene.read(group: "g", join: .range, by: second)
        #expect(watcher.assignment(second) == Assignment(generation: 2, partitions: []))
        #expect(assigned(watcher, first) == [0])
        scene.broker.detach(first)
        #expect(
            watcher.assignment(second)
                == Assignment(generation: 3, partitions: [.init(partition: 0, next: Offset(0))]))
    }

    @Test func readingBeginsWhereTheGroupCommittedOrWhereItSaysOrAtTheFirst() {
        let scene = Scene(topic: "t", partitions: 3)
        let watcher = Watcher(scene.broker)
        var channel = scene.attach()
        for number in 0..<12 { scene.put("\(number)", to: "t", from: channel) }
        scene.broker.send(.commitOffset(topic: "t", partition: 1, group: "g", next: Offset(3)), from: channel)
        #expect(scene.answers(channel).isEmpty)
        scene.broker.commit()
        for restart in [{}, scene.broker.crash, scene.broker.stop] {
            restart()
            channel = scene.attach()
            scene.read("t", 1, from: nil, group: "g", join: .range, by: channel)
            #expect(watcher.assignment(channel)?.partitions.map(\.next) == [Offset(0), Offset(3), Offset(0)])
            scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
            scene.read("t", 1, from: .last, group: "g", join: .range, by: channel)
            #expect(watcher.assignment(channel)?.partitions.map(\.next) == [Offset(3), Offset(3), Offset(3)])
            scene.read("t", 2, from: .next, group: "g", by: channel)
            scene.settle()
            #expect(watcher.take(channel, 2).map(\.body) == ["10"])
            scene.broker.detach(channel)
        }
    }

    /// The offset that a member is told for a time is the one that it then begins at.
    @Test func aMemberThatBeginsAtATimeIsToldTheOffset() {
        let scene = Scene(topic: "t")
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        for number in 0..<4 {
            scene.put("\(number)", to: "t", from: channel)
            scene.broker.commit()
            scene.broker.pass(milliseconds: 1_000)
        }
        let time = Timestamp(scene.broker.now.wall.rawValue - 2_500)
        scene.read(from: .time(time), group: "g", join: .range, by: channel)
        scene.settle()
        #expect(watcher.assignment(channel)?.partitions == [.init(partition: 0, next: Offset(2))])
        #expect(watcher.take(channel).map(\.offset) == [2, 3])
    }

    @Test func anOffsetGoesBackOnlyIfItIsCommittedSo() {
        let scene = Scene(topic: "t", partitions: 2)
        let watcher = Watcher(scene.broker)
        var channel = scene.attach()
        for number in 0..<10 { scene.put("\(number)", to: "t", from: channel) }
        for next in [2, 5, 4] {
            scene.broker.send(
                .commitOffset(topic: "t", partition: 0, group: "g", next: Offset(Int64(next))), from: channel)
            scene.broker.cut()
        }
        scene.broker.commitNext()
        scene.broker.commitNext()
        scene.broker.crash()  // the last one is lost, and nobody was told of it
        channel = scene.attach()
        scene.read(group: "g", join: .sticky, by: channel)
        #expect(watcher.assignment(channel)?.partitions.map(\.next) == [Offset(5), Offset(0)])
        scene.broker.send(.commitOffset(topic: "t", partition: 0, group: "g", next: Offset(1)), from: channel)
        scene.broker.commit()
        scene.broker.crash()
        channel = scene.attach()
        scene.read(group: "g", join: .sticky, by: channel)
        #expect(watcher.assignment(channel)?.partitions.map(\.next) == [Offset(1), Offset(0)])
    }

    @Test func membersOfAGroupAgreeOnTheStrategy() {
        let scene = Scene(topic: "t", partitions: 2)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        scene.read("t", 1, group: "g", join: .range, by: channel)
        scene.read("t", 2, group: "g", join: .sticky, by: channel)
        scene.read("t", 3, group: nil, join: .range, by: channel)
        scene.read("t", 4, partitions: [0], group: "g", join: .range, by: channel)
        scene.read("t", 5, group: "amq.g", join: .range, by: channel)
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        scene.read("t", 6, group: "g", join: .sticky, by: channel)
        #expect(
            scene.answers(channel) == [
                .done, .refused(code: "mismatch"), .refused(code: "syntax"), .refused(code: "syntax"),
                .refused(code: "access_refused"), .done, .done,
            ])
        #expect(assigned(watcher, channel, 6) == [0, 1])
        #expect(watcher.assignments[.init(channel: channel, consumer: 2)] == nil)
    }

    @Test func aGroupIsDeletedWhenNobodyIsInIt() {
        let scene = Scene(topic: "t", partitions: 2)
        let watcher = Watcher(scene.broker)
        var channel = scene.attach()
        for number in 0..<4 { scene.put("\(number)", to: "t", from: channel) }
        for partition in 0..<2 {
            scene.broker.send(
                .commitOffset(topic: "t", partition: partition, group: "g", next: Offset(2)), from: channel)
        }
        scene.read(group: "g", join: .range, by: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        scene.broker.send(.deleteGroup(topic: "t", group: "g"), from: channel)
        scene.broker.send(.deleteGroup(topic: "t", group: "none"), from: channel)
        scene.broker.send(.deleteGroup(topic: "none", group: "g"), from: channel)
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        scene.broker.send(.deleteGroup(topic: "t", group: "g"), from: channel)
        #expect(scene.answers(channel).count == 4)  // the last one when it is durable
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done])
        #expect(scene.rows(.groups).isEmpty)
        scene.broker.crash()
        channel = scene.attach()
        scene.read(from: nil, group: "g", join: .range, by: channel)
        #expect(watcher.assignment(channel)?.partitions.map(\.next) == [Offset(0), Offset(0)])
    }

    /// All in one batch: what counts is what came last.
    @Test func aGroupThatIsDeletedAndCommitsAgainIsThere() {
        let scene = Scene(topic: "t", partitions: 2)
        let channel = scene.attach()
        for number in 0..<8 { scene.put("\(number)", to: "t", from: channel) }
        for partition in 0..<2 {
            scene.broker.send(
                .commitOffset(topic: "t", partition: partition, group: "g", next: Offset(1)), from: channel)
        }
        scene.broker.send(.deleteGroup(topic: "t", group: "g"), from: channel)
        scene.broker.send(.commitOffset(topic: "t", partition: 1, group: "g", next: Offset(3)), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel).allSatisfy { $0 == .done })
        scene.broker.crash()
        guard let group = scene.describe(.group(topic: "t", group: "g")), case .list(let offsets) = group["offsets"],
            case .fields(let only) = offsets.first
        else {
            Issue.record("the group is gone")
            return
        }
        #expect(offsets.count == 1)
        #expect(only.number("partition") == 1 && only.number("committed") == 3 && only.number("lag") == 1)
    }

    @Test func listingsTellMembersAndLag() {
        let scene = Scene(topic: "t", partitions: 2)
        let channel = scene.attach()
        for number in 0..<10 { scene.put("\(number)", to: "t", from: channel) }
        scene.broker.send(.commitOffset(topic: "t", partition: 0, group: "g", next: Offset(2)), from: channel)
        scene.broker.send(.commitOffset(topic: "t", partition: 1, group: "g", next: Offset(5)), from: channel)
        scene.broker.send(.commitOffset(topic: "t", partition: 0, group: "a", next: Offset(0)), from: channel)
        scene.read(group: "g", join: .range, by: channel)
        scene.broker.commit()
        let rows = scene.rows(.groups)
        #expect(rows.map { $0["group"] } == [.text("a"), .text("g")])
        #expect(rows.map { $0.number("lag") } == [5, 3])
        #expect(rows.map { $0.number("members") } == [0, 1])
        #expect(rows[1]["strategy"] == .text("range"))
        #expect(rows[1].number("generation") == 1)
        guard case .list(let assignments) = scene.describe(.group(topic: "t", group: "g"))?["assignments"] else {
            Issue.record("no assignments")
            return
        }
        #expect(assignments.count == 1)
    }

    @Test func aTopicHasNoMoreGroupsThanTheLimit() {
        var limits = Limits()
        limits.groupsMax = 2
        let scene = Scene(topic: "t", limits: limits)
        let channel = scene.attach()
        for group in ["a", "b", "c"] {
            scene.broker.send(.commitOffset(topic: "t", partition: 0, group: group, next: Offset(0)), from: channel)
        }
        scene.read(group: "d", join: .range, by: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done, .refused(code: "limit"), .refused(code: "limit")])
    }

    /// Nobody is given what goes with the topic in the same moment.
    @Test func theMembersOfADeletedTopicAreToldOfTheEndAlone() {
        let scene = Scene(topic: "t", partitions: 4)
        let watcher = Watcher(scene.broker)
        let (first, second) = (scene.attach(), scene.attach())
        scene.read(group: "g", join: .range, by: first)
        scene.read(group: "g", join: .range, by: second)
        _ = (watcher.assignment(first), watcher.assignment(second))
        _ = (scene.broker.hear(first), scene.broker.hear(second))
        let other = scene.attach()
        scene.broker.send(.deleteTopic(name: "t"), from: other)
        scene.broker.commit()
        #expect(watcher.assignment(first) == nil && watcher.assignment(second) == nil)
        #expect(scene.broker.hear(first) == [.failed(ConsumerTag(1), code: "cancelled")])
        #expect(scene.broker.hear(second) == [.failed(ConsumerTag(1), code: "cancelled")])
    }
}
